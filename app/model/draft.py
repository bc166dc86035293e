"""Drafts: what a client asks the definitions to become. Checked for form by their API, for the rules by the fold."""

import msgspec

from app.model.bound_topic import Binding
from app.model.conditions import Conditions
from app.model.import_source import Region
from app.model.mapping import Mapping
from app.model.receiver import Deduplication


class ExportDraft(msgspec.Struct, frozen=True):
    """An export to be made."""

    id: str
    name: str
    mapping: Mapping
    conditions: Conditions


class ReceiverDraft(msgspec.Struct, frozen=True):
    """A receiver to be made, with its first exports."""

    id: str
    name: str
    description: str
    exports: tuple[ExportDraft, ...]
    deduplication: Deduplication | None = None
    kafka: Binding | None = None


class ImportSourceDraft(msgspec.Struct, frozen=True):
    """An import source to be made."""

    name: str
    client_id: int
    region: Region = Region.US
    append_only: bool = False


class ExportChange(msgspec.Struct, frozen=True):
    """What is None stays as it is."""

    name: str | None = None
    mapping: Mapping | None = None
    count: int | None = None
    size_bytes: int | None = None
    time_s: float | None = None

    def conditions_after(self, before: Conditions) -> Conditions:
        """The conditions with this change."""
        return Conditions(
            before.count if self.count is None else self.count,
            before.size_bytes if self.size_bytes is None else self.size_bytes,
            before.time_s if self.time_s is None else self.time_s,
        )


class PipelineDraft(msgspec.Struct, frozen=True):
    """A pipeline to be made, or to be put in the place of another. `program_config`, `runtime_config`: JSON texts."""

    name: str
    code: str
    udf_rust: str = ""
    udf_toml: str = ""
    program_config: str = "{}"
    runtime_config: str = "{}"
    description: str = ""
    tags: tuple[str, ...] = ()

    @property
    def replacement(self) -> "PipelineEdit":
        """What makes another pipeline like this one."""
        return PipelineEdit(**msgspec.structs.asdict(self))


class PipelineEdit(msgspec.Struct, frozen=True):
    """What is None stays as it is."""

    name: str | None = None
    code: str | None = None
    udf_rust: str | None = None
    udf_toml: str | None = None
    program_config: str | None = None
    runtime_config: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None

    def program_changes(self) -> dict[str, str]:
        """Those members of a program that it gives, by their names in the program, but for its code."""
        given = {"config": self.program_config, "udf_rust": self.udf_rust, "udf_toml": self.udf_toml}
        return {name: value for name, value in given.items() if value is not None}
