"""What SQL that is not ours may not say to PostgreSQL, and which tables a plan may read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from app.errors import QueryRefused

_NAMES: Final = (
    # A role that is taken on can be given back by set_config; the others run a text as SQL, which could say so unseen.
    "set_config",
    r"query_to_xml\w*",
    r"cursor_to_xml\w*",
    "ts_stat",
    "ts_rewrite",
    r"dblink\w*",
    # Locks of ours are advisory ones; these may be had without any right.
    r"pg_(?:try_)?advisory_\w*",
    "pg_notify",
    "pg_terminate_backend",
    "pg_cancel_backend",
    r"pg_read_\w*",
    r"pg_ls_\w*",
    "pg_stat_file",
    "lo_import",
    "lo_export",
)
_FORBIDDEN: Final = re.compile(rf'(?<![\w$])(?:{"|".join(_NAMES)})(?![\w$])|u&"', re.IGNORECASE)


def check_words(sql: str) -> None:
    """Raise QueryRefused if the SQL has a name in it, wherever, that leads out of a role and a transaction.

    No parser is asked, which could be deceived: a function is not called without its name, and `U&"…"` writes names in
    other letters.
    """
    found = _FORBIDDEN.search(sql)
    if found is not None:
        raise QueryRefused(f"SQL may not have {found[0]} in it")


def check_plan(plan: Sequence[Any], schema: str) -> None:
    """Raise QueryRefused if a plan (of EXPLAIN, verbose, as JSON) reads a table of another schema, or of the server."""
    for node in _nodes(plan):
        if "Relation Name" in node and node.get("Schema") != schema:
            raise QueryRefused(f'a query may not use "{node.get("Schema")}.{node["Relation Name"]}"')
        if str(node.get("Function Name", "")).startswith("pg_"):
            raise QueryRefused(f'a query may not use "{node["Function Name"]}"')


def _nodes(plan: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [plan]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
