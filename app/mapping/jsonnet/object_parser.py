"""What stands between braces."""

from app.mapping.jsonnet.lexer import read_tokens
from app.mapping.jsonnet.parser import Parser
from app.mapping.jsonnet.syntax import (
    Bind,
    Constant,
    Fail,
    Field,
    Function,
    If,
    Node,
    Object,
    ObjectComprehension,
    Visibility,
)
from app.mapping.jsonnet.tokens import Kind

_TRUE = Constant(value=True)


def parse(source: str) -> Node:
    """The tree of a program. Raises Refused or Outside."""
    return ObjectParser(source, read_tokens(source)).program()


class _Members:
    """What has been read of an object."""

    def __init__(self) -> None:
        self.locals: list[Bind] = []
        self.assertions: list[Node] = []
        self.fields: list[Field] = []
        self.names: set[str] = set()
        self.has_static_names = False


class ObjectParser(Parser):
    """Parses whole programs."""

    def object_behind_brace(self) -> Node:
        """Parse an object; its brace is taken."""
        self.descend()
        members = _Members()
        got_comma = True
        while not self.take_if_mark("}"):
            if self.token.is_mark("for") and (members.fields or members.locals or members.assertions):
                return self._comprehension(members)
            if not got_comma:
                raise self.refused(self.token, "expected a comma before next field.")
            self._member(members)
            got_comma = self.take_if_mark(",")
        self.ascend()
        return Object(tuple(members.locals), tuple(members.assertions), tuple(members.fields))

    def _comprehension(self, members: _Members) -> Node:
        if members.assertions:
            raise self.refused(self.token, "object comprehension cannot have asserts.")
        if len(members.fields) != 1:
            raise self.refused(self.token, "object comprehension can only have one field.")
        (field,) = members.fields
        if field.visibility is not Visibility.INHERITED:
            raise self.refused(self.token, "object comprehensions cannot have hidden fields.")
        if members.has_static_names:
            raise self.refused(self.token, "object comprehensions can only have [e] fields.")
        self.ascend()
        return ObjectComprehension(tuple(members.locals), field, self.clauses("}"))

    def _member(self, members: _Members) -> None:
        if self.take_if_mark("local"):
            members.locals.append(self.bind({bind.name for bind in members.locals}))
        elif self.take_if_mark("assert"):
            condition, message = self.assertion("Object assertion failed.")
            members.assertions.append(If(condition, _TRUE, Fail(message)))
        else:
            members.fields.append(self._field(members))

    def _field(self, members: _Members) -> Field:
        token = self.take()
        if token.is_mark("["):
            name = self.expression()
            self.expect_mark("]")
        elif token.kind in {Kind.IDENTIFIER, Kind.STRING, Kind.VERBATIM}:
            if token.text in members.names:  # as they are written, not what they mean
                raise self.refused(token, f"duplicate field: {token.text}")
            members.names.add(token.text)
            members.has_static_names = True
            name = Constant(token.text if token.kind is Kind.IDENTIFIER else self.text_of(token))
        else:
            raise self.refused(token, f'unexpected: "{token.text}" while parsing field definition')
        parameters = self.parameters() if self.token.is_mark("(") else None
        operator = self.take()
        adds = operator.kind is Kind.OPERATOR and operator.text.startswith("+")
        colons = operator.text[1:] if adds else operator.text
        if operator.kind is not Kind.OPERATOR or colons not in {":", "::", ":::"}:
            what = f"expected one of :, ::, :::, +:, +::, +:::, got: {operator.text}"
            raise self.refused(operator, what)
        if parameters is not None and adds:
            raise self.refused(token, f"cannot use +: syntax sugar in a method: {token.text}")
        value = self.expression()
        if parameters is not None:
            value = Function(parameters, value)
        return Field(name, value, Visibility(colons), adds)
