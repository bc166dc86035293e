"""Translating `[… for …]` and `{[…]: … for …}`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from app.errors import MappingFailed
from app.mapping.jsonnet.compilation import Compilation
from app.mapping.jsonnet.object_literals import added, is_special, new_name, plain_frame, translate_locals
from app.mapping.jsonnet.objects import LOCALS, Composed, FieldShape, Layer, LayerShape
from app.mapping.jsonnet.operators import condition
from app.mapping.jsonnet.scope import Scope
from app.mapping.jsonnet.syntax import ArrayComprehension, Clause, For, ObjectComprehension
from app.mapping.jsonnet.thunks import COMPUTATION, VARIABLES, Code, Frame, Thunk

Visit: TypeAlias = Callable[[Frame], None]
Walk: TypeAlias = Callable[[Frame, Visit], None]  # calls the visit with the innermost frame of each combination


def array_comprehension(compilation: Compilation, node: ArrayComprehension, scope: Scope) -> Code:
    """`[x for …]`."""
    begun = compilation.steps
    walk_to, inner = _walk(compilation, node.clauses, scope)
    make = compilation.delayed(node.element, inner.deeper())
    walk = walk_to(compilation.steps - begun)

    def collect(frame: Frame) -> list[Any]:
        elements: list[Any] = []
        walk(frame, lambda innermost: elements.append(make(innermost)))
        return elements

    return collect


def _walk(compilation: Compilation, clauses: Sequence[Clause], scope: Scope) -> tuple[Callable[[int], Walk], Scope]:
    """What makes the walk, once it is known how many steps a round takes; and the innermost scope."""
    parts: list[tuple[Code, Scope | None]] = []
    for clause in clauses:
        if isinstance(clause, For):
            array = compilation.code(clause.array, scope)
            scope = scope.with_frame([clause.name])
            parts.append((array, scope))
        else:
            parts.append((compilation.code(clause.condition, scope), None))

    def make(steps: int) -> Walk:
        walk: Walk = _visit
        for code, inner in reversed(parts):
            walk = _only_if(code, walk) if inner is None else _for_each(code, inner, walk, steps)
        return walk

    return make, scope


def _visit(frame: Frame, visit: Visit) -> None:
    visit(frame)


def _only_if(asked: Code, walk: Walk) -> Walk:
    def decide(frame: Frame, visit: Visit) -> None:
        if condition(asked(frame)):
            walk(frame, visit)

    return decide


def _for_each(array: Code, scope: Scope, walk: Walk, steps: int) -> Walk:
    plan = scope.plan

    def each(frame: Frame, visit: Visit) -> None:
        elements = array(frame)
        if type(elements) is not list:
            raise MappingFailed("In comprehension, can only iterate over array.")
        computation = frame[COMPUTATION]
        computation.charge(steps * len(elements))
        rest = [None] * (plan.size - VARIABLES - 1)
        for element in elements:
            walk([frame, computation, element, *rest], visit)

    return each


def object_comprehension(compilation: Compilation, node: ObjectComprehension, scope: Scope) -> Code:
    """`{[k]: v for …}`."""
    begun = compilation.steps
    walk_to, around = _walk(compilation, node.clauses, scope)
    name = compilation.code(node.field.name, around)
    inner = around.with_object([bind.name for bind in node.locals])
    locals_ = translate_locals(compilation, node.locals, inner)
    value = compilation.code(node.field.value, inner)
    steps = compilation.steps - begun
    shape = LayerShape(locals_, inner.plan.size - LOCALS - len(locals_), (), steps)
    walk = walk_to(steps)

    def frames_of(frame: Frame) -> dict[str, Frame]:
        frames: dict[str, Frame] = {}

        def visit(innermost: Frame) -> None:
            found = name(innermost)
            if found is not None:
                frames[new_name(found, frames)] = innermost

        walk(frame, visit)
        return frames

    if not inner.is_self_used and not is_special(node.field):
        return lambda frame: {
            found: Thunk(value, plain_frame(shape, innermost)) for found, innermost in frames_of(frame).items()
        }

    def compose(frame: Frame) -> Composed:
        frames = frames_of(frame)
        fields = {
            found: FieldShape(added(found, value) if node.field.adds else value, node.field.visibility, steps)
            for found in frames
        }
        return Composed([Layer(shape, fields, frame, frames)], frame[COMPUTATION])

    return compose
