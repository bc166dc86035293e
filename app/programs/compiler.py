"""Compiles a program: its relations and views, or all that is wrong with it, each fault with its place."""

from dataclasses import dataclass, field

from app.model.pipeline import SqlMessage
from app.model.relation import Relation, View
from app.programs.declarations import Statements
from app.programs.faults import INVALID, WARNING, ProgramFault, Span, invalid, message_of
from app.programs.tokens import Token, statements_of, tokens_of

CHARACTERS_MAX = 131_072  # of a program
FAULTS_MAX = 100  # said of one


@dataclass(slots=True)
class Compiled:
    """What a program declares. It can be run if none of the messages is more than a warning."""

    code: str
    relations: list[Relation] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    messages: list[SqlMessage] = field(default_factory=list)
    places: dict[str, Span] = field(default_factory=dict)  # of the names of tables and views

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(not message.warning for message in self.messages)

    def refused(self, name: str, reason: str) -> SqlMessage:
        """What the destination has against this table or view."""
        whole = Span(0, len(self.code))
        return message_of(self.code, self.places.get(name, whole), INVALID, reason)


def compile_program(code: str) -> Compiled:
    """Takes time in proportion to the program's length, however it is nested."""
    compiled = Compiled(code)
    if len(code) > CHARACTERS_MAX:
        fault = invalid(Span(0, 1), f"a program has at most {CHARACTERS_MAX} characters")
        compiled.messages.append(message_of(code, fault.span, fault.kind, str(fault)))
        return compiled
    try:
        statements = statements_of(tokens_of(code))
    except ProgramFault as fault:
        compiled.messages.append(message_of(code, fault.span, fault.kind, str(fault)))
        return compiled
    reader = Statements(code)
    for statement in statements:
        if len(compiled.messages) >= FAULTS_MAX:
            break
        try:
            _take(compiled, reader, statement)
        except ProgramFault as fault:
            compiled.messages.append(message_of(code, fault.span, fault.kind, str(fault)))
    return compiled


def _take(compiled: Compiled, reader: Statements, statement: list[Token]) -> None:
    """Raises ProgramFault."""
    declared = reader.read(statement)
    messages = [message_of(compiled.code, span, WARNING, said) for span, said in declared.warnings]
    compiled.messages += messages
    if declared.relation is None and declared.view is None:
        return
    name = declared.name
    if name.text in compiled.places:
        raise invalid(name.span, f"there is a table or view '{name.text}' already")
    compiled.places[name.text] = Span(statement[0].span.start, statement[-1].span.end)
    if declared.relation is not None:
        compiled.relations.append(declared.relation)
    if declared.view is not None:
        compiled.views.append(declared.view)
