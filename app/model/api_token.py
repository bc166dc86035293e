"""An API token: what opens a project over an API. Known only by its SHA-256."""

import msgspec

DERIVED_ID_CHARACTERS = 16


class ApiToken(msgspec.Struct, frozen=True):
    """`id` names it without telling it. `created_us` is 0 where no record says when."""

    id: str
    project_id: int
    sha256: str
    description: str = ""
    created_us: int = 0
