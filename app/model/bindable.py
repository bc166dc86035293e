"""Which of the users' topics may be bound, and by whom: the operator says so, in patterns."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

PROJECT = "{project}"


class BindableTopics:
    """In a pattern `*` stands for anything, and `{project}` for the number of the receiver's project."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns

    def allow(self, project_id: int, topic: str) -> bool:
        """Whether receivers of this project may take events from the topic."""
        return any(fnmatchcase(topic, pattern.replace(PROJECT, str(project_id))) for pattern in self._patterns)
