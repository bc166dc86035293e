"""The two ways that a template can take: compiled, or evaluated by the interpreter."""

from enum import StrEnum

from app.errors import MappingFailed
from app.mapping.jsonnet import Computation, Outside, Program, Refused, compile_program, first_import
from app.mapping.template import TemplateEvaluator
from app.model.column import Template


class Engine(StrEnum):
    """How a template gets its value. Both ways give the same."""

    COMPILED = "compiled"  # in this process, at once
    EVALUATED = "evaluated"  # by the interpreter, in a process of its own


def compiled(template: Template, computation: Computation | None = None) -> Program | None:
    """The program, for such a computation, or None if the interpreter must evaluate it."""
    try:
        return compile_program(template, computation)
    except (Refused, Outside):
        return None


def engine_of(template: Template) -> Engine:
    """Which way it takes."""
    return Engine.EVALUATED if compiled(template) is None else Engine.COMPILED


async def check_template(template: Template, evaluator: TemplateEvaluator) -> None:
    """Raise MappingFailed if the program can never run, in the interpreter's words, or imports anything."""
    if compiled(template) is not None:
        return
    await evaluator.check(template)
    place = first_import(template.content)
    if place is not None:
        raise MappingFailed(f"{place} imports are not enabled")
