"""An export: a receiver's events, mapped into one table under some conditions."""

import msgspec

from app.model.conditions import Conditions
from app.model.export_token import NO_TOKEN, ExportToken
from app.model.mapping import Mapping


class Export(msgspec.Struct, frozen=True):
    """`uid` is given at creation and never again: an id made anew is another export.

    `mapping_number` counts the mappings the export has had, from 1. `token` is that of the present mapping; in a record
    of the time before tokens there is none, and the fold makes one.
    """

    uid: str
    receiver_uid: str
    id: str
    name: str
    mapping: Mapping
    conditions: Conditions
    mapping_number: int = 1
    token: ExportToken = NO_TOKEN
