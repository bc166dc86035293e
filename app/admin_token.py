"""The admin token: what opens the house API. One is kept in the data directory when the settings give none."""

import os
from pathlib import Path
from secrets import token_urlsafe
from tempfile import mkstemp

from app.errors import SettingInvalid

FILE = "admin-token"
PRIVATE = 0o600
RANDOM_BYTES = 36  # 48 characters


def kept_admin_token(data_dir: Path) -> str:
    """The one of this directory, made at the first call. Raises SettingInvalid."""
    path = data_dir / FILE
    try:
        if not path.exists():
            _make(path)
        path.chmod(PRIVATE)  # a copied directory may have lost it
        return _read(path)
    except OSError as error:
        raise SettingInvalid(f"FOREBAY_ADMIN_TOKEN: {path} cannot be kept: {error.strerror}") from None


def known_admin_token(data_dir: Path) -> str:
    """The one that a server in this directory has made. Raises SettingInvalid."""
    path = data_dir / FILE
    try:
        return _read(path)
    except OSError as error:
        text = f"FOREBAY_ADMIN_TOKEN: it is not set, and {path} cannot be read: {error.strerror}"
        raise SettingInvalid(text) from None


def _make(path: Path) -> None:
    """Write it whole or not at all; of two processes that start at once, the first one's stays."""
    descriptor, new = mkstemp(prefix=f"{FILE}.", dir=path.parent)  # readable by its owner alone
    with os.fdopen(descriptor, "w") as file:
        file.write(token_urlsafe(RANDOM_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(new)
    except FileExistsError:
        pass
    finally:
        Path(new).unlink()


def _read(path: Path) -> str:
    token = path.read_text().strip()
    if not token or " " in token:
        raise SettingInvalid(f"FOREBAY_ADMIN_TOKEN: {path} holds no token; remove it, and the next start makes one")
    return token
