"""Every kind of staging there is, by the scheme of its URL."""

import re
from collections.abc import Callable

from app.errors import SettingInvalid
from app.slicing.local_staging import open_local_staging
from app.slicing.object_staging import STORES, open_object_staging
from app.slicing.staging import Staging

STAGINGS: dict[str, Callable[[str], Staging]] = {
    "file": open_local_staging,
    **dict.fromkeys(STORES, open_object_staging),
}


def open_staging(url: str) -> Staging:
    """Open what the URL names. Raises SettingInvalid, never showing the URL: it may hold a password."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", url)
    if scheme is None or scheme[1] not in STAGINGS:
        kinds = ", ".join(f"{kind}://" for kind in STAGINGS)
        raise SettingInvalid(f"FOREBAY_STAGING: must be a URL that begins with one of {kinds}")
    return STAGINGS[scheme[1]](url)
