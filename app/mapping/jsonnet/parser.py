"""Tokens to the tree."""

from itertools import pairwise

from app.mapping.jsonnet.limits import CHAIN_MAX, NESTING_MAX
from app.mapping.jsonnet.literals import BadEscape, unescape
from app.mapping.jsonnet.outcomes import Outside, Refused
from app.mapping.jsonnet.syntax import (
    Argument,
    Array,
    ArrayComprehension,
    Binary,
    Bind,
    Call,
    Clause,
    Constant,
    Fail,
    For,
    Function,
    If,
    Index,
    InSuper,
    Local,
    Node,
    Parameter,
    Slice,
    Sum,
    SuperIndex,
    Unary,
    Variable,
    When,
)
from app.mapping.jsonnet.tokens import Kind, Token, place

NULL = Constant(None)
_CONSTANTS = {"null": NULL, "true": Constant(value=True), "false": Constant(value=False)}
_UNARY = frozenset("+-!~")
_TIGHTEST = (("*", "/", "%"), ("+", "-"), ("<<", ">>"), ("<", ">", "<=", ">=", "in"), ("==", "!="))
_LOOSEST = (("&",), ("^",), ("|",), ("&&",), ("||",))
_BINDING = {operator: at for at, level in enumerate((*_TIGHTEST, *_LOOSEST)) for operator in level}
_ALL = len(_TIGHTEST) + len(_LOOSEST)
_NO_OPERATORS = -1


class Cursor:
    """Where in the tokens we are."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._at = 0
        self._nesting = 0

    @property
    def token(self) -> Token:
        """The next one."""
        return self._tokens[self._at]

    @property
    def token_after(self) -> Token:
        """The one behind it."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    @property
    def end(self) -> int:
        """Where what was taken last ends in the text."""
        return self._tokens[self._at - 1].end if self._at else 0

    def take(self) -> Token:
        """Go on; END stays."""
        token = self._tokens[self._at]
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def take_if_mark(self, text: str) -> bool:
        """Go on if it is this mark."""
        found = self.token.is_mark(text)
        if found:
            self._at += 1
        return found

    def expect_mark(self, text: str) -> Token:
        """Go on. Raises Refused if it is something else."""
        if not self.token.is_mark(text):
            raise self.refused(self.token, f'expected token "{text}" but got "{self.token.text}"')
        return self.take()

    def expect_operator(self, text: str) -> Token:
        """Go on. Raises Refused if it is something else."""
        if not self.token.is_operator(text):
            raise self.refused(self.token, f"expected operator {text} but got {self.token.text}")
        return self.take()

    def expect_name(self) -> str:
        """Go on. Raises Refused if it is no identifier."""
        if self.token.kind is not Kind.IDENTIFIER:
            raise self.refused(self.token, f'expected token IDENTIFIER but got "{self.token.text}"')
        return self.take().text

    def refused(self, token: Token, what: str) -> Refused:
        """Make the error."""
        return Refused(f"{place(self._source, token.begin, token.end)} {what}")

    def descend(self) -> None:
        """Go a level down. Raises Outside if there are too many."""
        self._nesting += 1
        if self._nesting > NESTING_MAX:
            raise Outside("nested too deep")

    def ascend(self) -> None:
        """Come up again."""
        self._nesting -= 1


class Parser(Cursor):
    """Expressions. Objects are in `object_parser`."""

    def program(self) -> Node:
        """Parse all. Raises Refused or Outside."""
        tree = self.expression()
        if self.token.kind is not Kind.END:
            raise self.refused(self.token, f'did not expect: "{self.token.text}"')
        return tree

    def expression(self, loosest: int = _ALL) -> Node:
        """Parse operators that bind at most so loosely, and what they bind."""
        self.descend()
        greedy = _GREEDY.get(self.token.text) if self.token.kind is Kind.MARK else None
        tree = greedy(self) if greedy else self._infixes(self._postfixes(self._operand()), loosest)
        self.ascend()
        return tree

    # what reaches as far to the right as it can

    def _assert(self) -> Node:
        self.take()
        condition, message = self.assertion("Assertion failed.")
        self.expect_mark(";")
        return If(condition, self.expression(), Fail(message))

    def assertion(self, otherwise: str) -> tuple[Node, Node]:
        """Parse `condition : message`."""
        condition = self.expression()
        if self.token.is_operator(":"):
            self.take()
            return condition, self.expression()
        return condition, Constant(otherwise)

    def _error(self) -> Node:
        self.take()
        return Fail(self.expression())

    def _if(self) -> Node:
        self.take()
        condition = self.expression()
        self.expect_mark("then")
        yes = self.expression()
        return If(condition, yes, self.expression() if self.take_if_mark("else") else NULL)

    def _function(self) -> Node:
        self.take()
        parameters = self.parameters()
        return Function(parameters, self.expression())

    def _import(self) -> Node:
        raise Outside("import")

    def _local(self) -> Node:
        self.take()
        binds: list[Bind] = []
        while True:
            binds.append(self.bind({bind.name for bind in binds}))
            if self.take_if_mark(";"):
                return Local(tuple(binds), self.expression())
            if not self.take_if_mark(","):
                raise self.refused(self.token, f'expected , or ; but got "{self.token.text}"')

    def bind(self, known: set[str]) -> Bind:
        """Parse `name = value` and `name(parameters) = body`."""
        token = self.token
        name = self.expect_name()
        if name in known:
            raise self.refused(token, f"duplicate local var: {name}")
        parameters = self.parameters() if self.token.is_mark("(") else None
        self.expect_operator("=")
        value = self.expression()
        return Bind(name, value if parameters is None else Function(parameters, value))

    def parameters(self) -> tuple[Parameter, ...]:
        """Parse them with their parentheses."""
        opening = self.expect_mark("(")
        parameters: list[Parameter] = []
        for argument in self._arguments("function parameter"):
            if argument.name is not None:
                parameters.append(Parameter(argument.name, argument.value))
            elif isinstance(argument.value, Variable) and argument.value.name not in {"self", "$"}:
                parameters.append(Parameter(argument.value.name, None))
            else:
                raise self.refused(opening, "could not parse parameter here.")
        if len({parameter.name for parameter in parameters}) < len(parameters):
            raise self.refused(opening, "Duplicate function parameter")
        return tuple(parameters)

    def _arguments(self, what: str) -> tuple[Argument, ...]:
        """Up to the closing parenthesis, which is taken."""
        arguments: list[Argument] = []
        got_comma = True
        while not self.take_if_mark(")"):
            if not got_comma:
                raise self.refused(self.token, f"expected a comma before next {what}.")
            name = None
            if self.token.kind is Kind.IDENTIFIER and self.token_after.is_operator("="):
                name = self.take().text
                self.take()
            arguments.append(Argument(name, self.expression()))
            got_comma = self.take_if_mark(",")
        return tuple(arguments)

    # operands

    def _operand(self) -> Node:
        token = self.take()
        if token.kind is Kind.IDENTIFIER or token.is_mark("self", "$"):
            return Variable(token.text, token.begin, token.end)
        if token.kind is Kind.NUMBER:
            return self._number(token)
        if token.kind is Kind.OPERATOR:
            if token.text not in _UNARY:
                raise self.refused(token, f"not a unary operator: {token.text}")
            return Unary(token.text, self.expression(_NO_OPERATORS))
        if token.kind in {Kind.STRING, Kind.VERBATIM}:
            return Constant(self.text_of(token))
        if token.kind is Kind.END:
            raise self.refused(token, "unexpected end of file.")
        return self._marked_operand(token)

    def _marked_operand(self, token: Token) -> Node:
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        if token.text == "(":
            inner = self.expression()
            self.expect_mark(")")
            return inner
        if token.text == "[":
            return self._array()
        if token.text == "{":
            return self.object_behind_brace()
        if token.text == "super":
            return self._super(token)
        raise self.refused(token, f'unexpected: "{token.text}" while parsing terminal')

    def object_behind_brace(self) -> Node:
        """Parse an object whose brace is taken."""
        raise NotImplementedError

    def text_of(self, token: Token) -> str:
        """What a string means. Raises Refused."""
        if token.kind is Kind.VERBATIM:
            return token.text
        try:
            text = unescape(token.text)
        except BadEscape as error:
            raise self.refused(token, str(error)) from None
        if "\x00" in text:
            raise Outside("NUL, which the interpreter loses here and there")
        return text

    def _number(self, token: Token) -> Node:
        number = float(token.text)
        return Fail(Constant("overflow")) if number == float("inf") else Constant(number)

    def _array(self) -> Node:
        elements: list[Node] = []
        got_comma = True
        while not self.take_if_mark("]"):
            if len(elements) == 1 and self.token.is_mark("for"):
                return ArrayComprehension(elements[0], self.clauses("]"))
            if not got_comma:
                raise self.refused(self.token, "expected a comma before next array element.")
            elements.append(self.expression())
            got_comma = self.take_if_mark(",")
        return Array(tuple(elements))

    def clauses(self, closing: str) -> tuple[Clause, ...]:
        """Parse all from the first `for` on, with the closing bracket."""
        clauses: list[Clause] = []
        while not self.take_if_mark(closing):
            if self.take_if_mark("for"):
                name = self.expect_name()
                self.expect_mark("in")
                clauses.append(For(name, self.expression()))
            elif self.take_if_mark("if"):
                clauses.append(When(self.expression()))
            else:
                what = f'expected for, if or "{closing}" after for clause, got: "{self.token.text}"'
                raise self.refused(self.token, what)
        return tuple(clauses)

    def _super(self, token: Token) -> Node:
        if self.take_if_mark("."):
            key: Node = Constant(self.expect_name())
        elif self.take_if_mark("["):
            key = self.expression()
            self.expect_mark("]")
        else:
            raise self.refused(token, "expected . or [ after super.")
        return SuperIndex(key, token.begin, token.end)

    # what follows an operand

    def _postfixes(self, tree: Node) -> Node:
        for _ in range(CHAIN_MAX):
            if self.take_if_mark("."):
                tree = Index(tree, Constant(self.expect_name()))
            elif self.take_if_mark("["):
                tree = self._index(tree)
            elif self.take_if_mark("("):
                tree = self._call(tree)
            elif self.take_if_mark("{"):
                tree = Sum((tree, self.object_behind_brace()))
            else:
                return tree
        raise Outside("too long a chain")

    def _call(self, function: Node) -> Node:
        token = self.token
        arguments = self._arguments("function argument")
        names = [argument.name for argument in arguments]
        if any(name is None and before is not None for before, name in pairwise(names)):
            raise self.refused(token, "Positional argument after a named argument is not allowed")
        return Call(function, arguments, self.take_if_mark("tailstrict"))

    def _index(self, target: Node) -> Node:
        if self.token.is_mark("]"):
            raise self.refused(self.token, 'unexpected: "]" while parsing index')
        first: Node | None = None
        if not self.token.is_operator(":", "::"):
            first = self.expression()
            if self.take_if_mark("]"):
                return Index(target, first)
        end, step = self._slice_rest()
        self.expect_mark("]")
        return Slice(target, first or NULL, end, step)

    def _slice_rest(self) -> tuple[Node, Node]:
        """The end and the step, from the first colon on."""
        colon = self.take()
        if colon.is_operator("::"):
            return NULL, self._slice_part()
        if not colon.is_operator(":"):
            raise self.refused(colon, f'unexpected: "{colon.text}" while parsing slice')
        end = self._slice_part()
        if self.token.is_operator(":"):
            self.take()
            return end, self._slice_part()
        return end, NULL

    def _slice_part(self) -> Node:
        return NULL if self.token.is_mark("]") or self.token.is_operator(":") else self.expression()

    # operators

    def _infixes(self, left: Node, loosest: int) -> Node:
        for _ in range(CHAIN_MAX):
            token = self.token
            if token.kind is not Kind.OPERATOR and not token.is_mark("in"):
                return left
            if token.is_operator(":", "::"):
                return left
            binding = _BINDING.get(token.text)
            if binding is None:
                raise self.refused(token, f"not a binary operator: {token.text}")
            if binding >= loosest:
                return left
            left = self._sum(left, binding) if token.is_operator("+") else self._binary(left, binding)
        raise Outside("too long a chain")

    def _sum(self, left: Node, binding: int) -> Node:
        terms = [left]
        while self.token.is_operator("+"):
            self.take()
            terms.append(self.expression(binding))
        return Sum(tuple(terms))

    def _binary(self, left: Node, binding: int) -> Node:
        operator = self.take()
        if operator.text == "in" and self.token.is_mark("super"):
            super_ = self.take()
            return InSuper(left, super_.begin, super_.end)
        return Binary(operator.text, left, self.expression(binding))


_GREEDY = {
    "assert": Parser._assert,  # noqa: SLF001 -- its own
    "error": Parser._error,  # noqa: SLF001
    "if": Parser._if,  # noqa: SLF001
    "function": Parser._function,  # noqa: SLF001
    "import": Parser._import,  # noqa: SLF001
    "importstr": Parser._import,  # noqa: SLF001
    "importbin": Parser._import,  # noqa: SLF001
    "local": Parser._local,  # noqa: SLF001
}
