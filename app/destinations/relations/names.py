"""Names of a program's tables, views and columns: which of them one destination takes for the same."""

from collections.abc import Callable, Iterable, Sequence

from app.errors import ProgramRefused
from app.model.relation import Relation, View


def check_names(
    relations: Sequence[Relation],
    views: Sequence[View],
    fold: Callable[[str], str],
    why_not: Callable[[str], str | None],
) -> None:
    """Raise ProgramRefused for the first that cannot be. `why_not` says why; names that fold alike are one."""
    own = [*(relation.name for relation in relations), *(view.name for view in views)]
    for name, others in (("", own), *_columns(relations)):
        seen: dict[str, str] = {}
        for other in others:
            subject = name or other
            reason = why_not(other)
            if reason is not None:
                raise ProgramRefused(subject, f"{other!a} cannot be a name: {reason}")
            if fold(other) in seen:
                raise ProgramRefused(
                    subject, f'the names "{seen[fold(other)]}" and "{other}" are one to the destination'
                )
            seen[fold(other)] = other


def _columns(relations: Iterable[Relation]) -> list[tuple[str, list[str]]]:
    return [(relation.name, list(relation.column_names)) for relation in relations]
