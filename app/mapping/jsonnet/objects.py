"""Objects that are more than names and values: they inherit, hide fields, know themselves.

An object without any of that is a plain dict, as those of a body are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app.errors import MappingFailed
from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP, ELEMENTS_PER_STEP
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.syntax import Visibility
from app.mapping.jsonnet.thunks import Code, Frame, Thunk


class FieldShape(msgspec.Struct, frozen=True):
    """How a field is computed, in the frame of its layer."""

    code: Code
    visibility: Visibility
    steps: int


class LayerShape(msgspec.Struct, frozen=True):
    """What all objects of one pair of braces have in common.

    The frame of a layer holds the object, the layer's number, then the locals.
    """

    locals: tuple[Code, ...]
    room: int
    assertions: tuple[Code, ...]
    steps: int  # of the locals and the assertions


_LAYERS_PER_STEP = 4

SELF, LAYER, LOCALS = 2, 3, 4  # places in the frame of a layer


class Layer(msgspec.Struct, frozen=True):
    """One of the objects that make an object. `frames` has the frame around each field, if they differ.

    `shown` are the names of its visible fields, sorted, where they are known beforehand.
    """

    shape: LayerShape
    fields: Mapping[str, FieldShape]
    frame: Frame
    frames: Mapping[str, Frame] | None = None
    shown: list[str] | None = None


class Values(msgspec.Struct, frozen=True):
    """A layer of names and values."""

    members: dict[str, Any]


class Retained(msgspec.Struct, frozen=True):
    """Hides, in so many layers below, all but some fields."""

    fields: Mapping[str, Visibility]
    layers: int


AnyLayer = Layer | Values | Retained


class Composed:
    """An object of several layers, or of one that refers to the object. The last layer comes first."""

    __slots__ = ("_asserted", "_computation", "_frames", "_known", "_visibilities", "_visible", "layers")

    def __init__(self, layers: Sequence[AnyLayer], computation: Any) -> None:
        self.layers = layers
        self._computation = computation
        self._frames: dict[int, Frame] = {}
        self._known: dict[str, Any] = {}
        self._asserted = False
        self._visibilities: dict[str, Visibility] | None = None
        self._visible: list[str] | None = None

    def plus(self, other: "Composed | dict[str, Any]") -> "Composed":
        """This object, with the other's fields over it."""
        above = layers_of(other)
        self._computation.charge(1 + len(self.layers) + len(above))
        return Composed([*self.layers, *above], self._computation)

    # which fields there are

    @property
    def visibilities(self) -> Mapping[str, Visibility]:
        """All fields."""
        if self._visibilities is None:
            self._computation.charge(sum(map(_width, self.layers)))
            self._visibilities = self._collect()
        return self._visibilities

    def _collect(self) -> dict[str, Visibility]:
        found: dict[str, Visibility] = {}
        at = len(self.layers) - 1
        while at >= 0:
            layer = self.layers[at]
            for name, visibility in _visibilities_of(layer):
                if found.get(name, Visibility.INHERITED) is Visibility.INHERITED:
                    found[name] = visibility
            at -= 1 + (layer.layers if type(layer) is Retained else 0)
        return found

    def names(self, *, hidden: bool) -> list[str]:
        """The names, sorted; with the hidden ones or without."""
        if hidden:
            self._computation.charge_sort(self.visibilities)
            return sorted(self.visibilities)
        if self._visible is None:
            self._visible = self._sort_visible()
        return self._visible

    def _sort_visible(self) -> list[str]:
        only = self.layers[0]
        if type(only) is Layer and only.shown is not None and len(self.layers) == 1:
            return only.shown
        self._computation.charge_sort(self.visibilities)
        return sorted(name for name in self.visibilities if self.shows(name))

    def shows(self, name: str) -> bool:
        """Whether it has the field, and does not hide it."""
        return self.visibilities.get(name, Visibility.HIDDEN) is not Visibility.HIDDEN

    def without(self, name: str) -> "Composed":
        """This object, that field hidden from everybody above."""
        self._computation.charge(len(self.visibilities) + len(self.layers))
        retained = {key: visibility for key, visibility in self.visibilities.items() if key != name}
        return Composed([*self.layers, Retained(retained, len(self.layers))], self._computation)

    def find(self, name: str, below: int) -> int:
        """The uppermost layer below that one which has the field, or -1."""
        self._computation.charge(below // _LAYERS_PER_STEP + len(name) // CHARACTERS_PER_STEP)
        at = below - 1
        while at >= 0:
            layer = self.layers[at]
            if type(layer) is Retained:
                at -= 1 + (0 if name in layer.fields else layer.layers)
                continue
            if name in (layer.members if type(layer) is Values else layer.fields):  # type: ignore[union-attr]
                return at
            at -= 1
        return -1

    # what they are

    def get(self, name: str) -> Any:
        """The field's value. Raises MappingFailed."""
        if not self._asserted:
            self.assert_all()
        if name not in self._known:
            self._known[name] = self.get_below(name, len(self.layers))
        return self._known[name]

    def get_below(self, name: str, below: int) -> Any:
        """The field's value as the layers below that one have it. Raises MappingFailed."""
        at = self.find(name, below)
        if at < 0:
            raise MappingFailed(f"field does not exist: {name}")
        layer = self.layers[at]
        if type(layer) is Values:
            value = layer.members[name]
            return value.force() if type(value) is Thunk else value
        assert type(layer) is Layer, "the others have no fields"  # noqa: S101
        return self._computed(layer, at, name)

    def _computed(self, layer: Layer, at: int, name: str) -> Any:
        field = layer.fields[name]
        computation = self._computation
        computation.left -= field.steps
        if computation.left < 0:
            raise GaveUp
        if layer.frames is None:
            frame = self._frames.get(at)
            if frame is None:
                frame = self._frames[at] = self._frame_of(layer.shape, layer.frame, at)
        else:
            frame = self._frame_of(layer.shape, layer.frames[name], at)
        return field.code(frame)

    def _frame_of(self, shape: LayerShape, outer: Frame, at: int) -> Frame:
        self._computation.charge(shape.steps + shape.room // ELEMENTS_PER_STEP)
        frame = [outer, self._computation, self, at, *[None] * (len(shape.locals) + shape.room)]
        for place, code in enumerate(shape.locals, LOCALS):
            frame[place] = Thunk(code, frame)
        return frame

    def assert_all(self) -> None:
        """Raise MappingFailed if one of its assertions does. They may read its fields meanwhile."""
        if self._asserted:
            return
        self._asserted = True
        for at, layer in enumerate(self.layers):
            if type(layer) is Layer and layer.shape.assertions:
                frame = self._frame_of(layer.shape, layer.frame, at)
                for assertion in layer.shape.assertions:
                    assertion(frame)


def _width(layer: AnyLayer) -> int:
    return 1 + len(layer.members if type(layer) is Values else layer.fields)  # type: ignore[union-attr]


def _visibilities_of(layer: AnyLayer) -> list[tuple[str, Visibility]]:
    if type(layer) is Values:
        return [(name, Visibility.INHERITED) for name in layer.members]
    if type(layer) is Retained:
        return list(layer.fields.items())
    assert type(layer) is Layer, "there are no others"  # noqa: S101
    return [(name, field.visibility) for name, field in layer.fields.items()]


def layers_of(value: Composed | dict[str, Any]) -> Sequence[AnyLayer]:
    """What an object adds to another."""
    return value.layers if type(value) is Composed else [Values(value)]  # type: ignore[arg-type]
