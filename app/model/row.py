"""A row: what a mapping makes of an event, and what a slice holds."""

Row = tuple[str | None, ...]  # in column order; None is NULL
