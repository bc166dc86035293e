"""Translating `{ … }`."""

from collections.abc import Mapping
from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.compilation import Compilation
from app.mapping.jsonnet.objects import LAYER, LOCALS, SELF, Composed, FieldShape, Layer, LayerShape
from app.mapping.jsonnet.operators import add
from app.mapping.jsonnet.scope import Scope
from app.mapping.jsonnet.syntax import Bind, Constant, Field, Object, Visibility
from app.mapping.jsonnet.thunks import COMPUTATION, Code, Frame, Thunk


def object_(compilation: Compilation, node: Object, scope: Scope) -> Code:
    """`{a: 1}`."""
    inner = scope.with_object([bind.name for bind in node.locals])
    begun = compilation.steps
    locals_ = translate_locals(compilation, node.locals, inner)
    assertions = tuple(compilation.code(assertion, inner) for assertion in node.assertions)
    steps = compilation.steps - begun
    names = [compilation.code(field.name, scope) for field in node.fields]
    values = []
    for field in node.fields:
        begun = compilation.steps
        values.append((field, compilation.code(field.value, inner), compilation.steps - begun))
    shape = LayerShape(locals_, inner.plan.size - LOCALS - len(locals_), assertions, steps)
    are_static = all(isinstance(field.name, Constant) for field in node.fields)
    if inner.is_self_used or assertions or any(is_special(field) for field in node.fields):
        return _composed(shape, names, values, are_static=are_static)
    return _plain(shape, names, [code for _, code, _ in values])


def translate_locals(compilation: Compilation, binds: tuple[Bind, ...], scope: Scope) -> tuple[Code, ...]:
    """Codes of an object's locals, in the order of their places."""
    return tuple(compilation.code(bind.value, scope) for bind in binds)


def is_special(field: Field) -> bool:
    """Whether only a composed object can have it."""
    return field.adds or field.visibility is not Visibility.INHERITED


def plain_frame(shape: LayerShape, outer: Frame) -> Frame:
    """The frame of an object that does not know itself."""
    frame = [outer, outer[COMPUTATION], None, None, *[None] * (len(shape.locals) + shape.room)]
    for place, code in enumerate(shape.locals, LOCALS):
        frame[place] = Thunk(code, frame)
    return frame


def _plain(shape: LayerShape, names: list[Code], codes: list[Code]) -> Code:
    pairs = list(zip(names, codes, strict=True))

    def make(frame: Frame) -> dict[str, Any]:
        inner = plain_frame(shape, frame)
        members: dict[str, Any] = {}
        for name_code, code in pairs:
            name = name_code(frame)
            if name is not None:
                members[new_name(name, members)] = Thunk(code, inner)
        return members

    return make


def new_name(name: Any, members: Mapping[str, Any]) -> str:
    """The name of one field more. Raises MappingFailed if it is none."""
    if type(name) is not str:
        raise MappingFailed("field name was not a string.")
    if name in members:
        raise MappingFailed(f'duplicate field name: "{name}"')
    return name


_Values = list[tuple[Field, Code, int]]


def _composed(shape: LayerShape, names: list[Code], values: _Values, *, are_static: bool) -> Code:
    def fields_of(frame: Frame) -> dict[str, FieldShape]:
        fields: dict[str, FieldShape] = {}
        for name_code, (field, code, steps) in zip(names, values, strict=True):
            name = name_code(frame)
            if name is not None:
                shown = added(name, code) if field.adds else code
                fields[new_name(name, fields)] = FieldShape(shown, field.visibility, steps)
        return fields

    if not are_static:
        return lambda frame: Composed([Layer(shape, fields_of(frame), frame)], frame[COMPUTATION])
    try:
        fields = fields_of([])
    except MappingFailed:  # two names are written differently, and mean the same
        return lambda frame: Composed([Layer(shape, fields_of(frame), frame)], frame[COMPUTATION])
    shown = sorted(name for name, field in fields.items() if field.visibility is not Visibility.HIDDEN)
    return lambda frame: Composed([Layer(shape, fields, frame, None, shown)], frame[COMPUTATION])


def added(name: str, code: Code) -> Code:
    """`name+: value`."""

    def plus(frame: Frame) -> Any:
        this, layer = frame[SELF], frame[LAYER]
        if this.find(name, layer) < 0:
            return code(frame)
        return add(frame[COMPUTATION], this.get_below(name, layer), code(frame))

    return plus
