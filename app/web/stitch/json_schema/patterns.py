"""Patterns of schemas, which come from outside."""

from typing import Any

import re2

from app.web.stitch.json_schema.effort import Effort
from app.web.stitch.json_schema.names import said
from app.web.stitch.json_schema.node import SchemaInvalid

PATTERN_CHARACTERS_MAX = 1000
PATTERN_MEMORY_BYTES_MAX = 196_608
STATES_PER_STEP = 2048


class Pattern:
    """A pattern of RE2's, which takes a time that is linear in what it searches, and at worst in its own size too."""

    def __init__(self, text: str, location: str) -> None:
        """Raises SchemaInvalid."""
        if len(text) > PATTERN_CHARACTERS_MAX:
            raise SchemaInvalid(f"{location}: a pattern has at most {PATTERN_CHARACTERS_MAX} characters")
        options = re2.Options()
        options.log_errors = False
        options.never_capture = True  # looking for groups would take ten times as long
        options.max_mem = PATTERN_MEMORY_BYTES_MAX
        try:
            self._compiled: Any = re2.compile(text, options)
        except (re2.error, UnicodeEncodeError):
            raise SchemaInvalid(f"{location}: [{said(text)}] is not a pattern that RE2 takes") from None
        self._states: int = self._compiled.programsize

    def is_in(self, text: str, effort: Effort) -> bool:
        """Whether it is found anywhere. Raises TooMuchWork."""
        effort.spend(1 + len(text) * self._states // STATES_PER_STEP)
        return self._compiled.search(text) is not None
