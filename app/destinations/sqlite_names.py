"""Names in SQLite, as statements have them."""


def quoted(*names: str) -> str:
    """With commas between them."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)
