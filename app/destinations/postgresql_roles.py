"""Export tokens in PostgreSQL: a role for each, that may write one table of its bucket and nothing else.

With documents it may write the tables that Forebay makes for them in one schema.

The role cannot log in. Forebay's own user takes it on within a load (`SET LOCAL ROLE`), so that whatever the load does
(a trigger of the table, too) it does with these rights.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from app.errors import Retryable
from app.model.export_token import ExportToken
from app.model.mapping import Mapping as ExportMapping

logger = logging.getLogger(__name__)

PREFIX = "forebay_export_"
VIEWS_PREFIX = "forebay_views_"
READING_PREFIX = f"{PREFIX}read_"
MADE_AGAIN_AFTER_S = 0.2

_MAY_CREATE: LiteralString = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
_EXISTS: LiteralString = "SELECT true FROM pg_roles WHERE rolname = %s"
_OF_EXPORT: LiteralString = """
SELECT rolname FROM pg_roles JOIN pg_shdescription AS said ON said.objoid = pg_roles.oid
WHERE rolname LIKE 'forebay\\_export\\_%%' AND said.description LIKE '%%, export ' || %s
"""
_GRANT_ROWS: LiteralString = "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {} TO {}"
_MAY_READ: LiteralString = """
SELECT coalesce(bool_and(has_table_privilege(role.oid, class.oid, 'SELECT')), false)
FROM pg_roles AS role, pg_class AS class JOIN pg_namespace AS schema ON schema.oid = class.relnamespace
WHERE role.rolname = %s AND schema.nspname = %s AND class.relkind IN ('r', 'p', 'v')
"""
_LOCK_ROLES: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('forebay: tables', 0))"
_SCHEMA = 0  # in the place of a table's oid
_OF = ", export "
_ALL: LiteralString = """
SELECT rolname, said.description FROM pg_roles JOIN pg_shdescription AS said ON said.objoid = pg_roles.oid
WHERE rolname LIKE 'forebay\\_export\\_%' AND said.description LIKE '%, export %'
"""
_DATABASE: LiteralString = "SELECT current_database()"


class Roles:
    """The roles of one database, as one connection uses them."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._ready: set[tuple[str, int]] = set()  # tokens, with a table's oid or _SCHEMA
        self._staying: set[str] = set()
        row = connection.execute(_MAY_CREATE).fetchone()
        self._may_create = bool(row and row[0])
        if not self._may_create:
            logger.warning(
                "the database's user may not create roles: loads are checked, but not limited, by their export's token "
                "(ALTER ROLE … CREATEROLE lets Forebay make a role for each export)"
            )

    def prepare(self, export: str, token: ExportToken, mapping: ExportMapping, oid: int) -> None:
        """Make the token's role, if it is not there, with the rights that its loads need. In a transaction."""
        if not self._may_create or (token.id, oid) in self._ready:
            return
        self._make(export, token)
        table = sql.Identifier(mapping.table_id.schema, mapping.table_id.table)
        self._open(token, mapping.table_id.schema, [table])
        self._ready.add((token.id, oid))

    def prepare_schema(self, export: str, token: ExportToken, schema: str, tables: Sequence[sql.Identifier]) -> None:
        """The same for documents: with rights on the tables that there are; `open` adds others. In a transaction."""
        if not self._may_create or (token.id, _SCHEMA) in self._ready:
            return
        self._make(export, token)
        self._open(token, schema, tables)
        self._ready.add((token.id, _SCHEMA))

    def are_ready(self, token: ExportToken, oids: Iterable[int]) -> bool:
        """Whether there is nothing to prepare for these tables."""
        return not self._may_create or all((token.id, oid) in self._ready for oid in oids)

    def prepare_tables(
        self, export: str, token: ExportToken, schema: str, tables: Mapping[int, sql.Identifier]
    ) -> None:
        """The same for a pipeline's tables, by their oids. In a transaction that holds the lock of tables."""
        self._make(export, token)
        self._open(token, schema, list(tables.values()))
        self._ready.update((token.id, oid) for oid in tables)

    @contextmanager
    def viewing(self, export: str, schema: str, tables: Sequence[sql.Identifier]) -> Iterator[None]:
        """Be the owner of the export's views, who may read these tables of the schema. In a transaction."""
        if not self._may_create:
            yield
            return
        role = sql.Identifier(VIEWS_PREFIX + export)
        if self._connection.execute(_EXISTS, (VIEWS_PREFIX + export,)).fetchone() is None:
            self._run("CREATE ROLE {} NOLOGIN NOINHERIT", role)
            self._run("GRANT {} TO CURRENT_USER", role)
        self._run("GRANT USAGE, CREATE ON SCHEMA {} TO {}", sql.Identifier(schema), role)
        for table in tables:
            self._run("GRANT SELECT ON TABLE {} TO {}", table, role)
        self._run("SET LOCAL ROLE {}", role)
        yield
        self._run("RESET ROLE")

    def drop_viewing(self, export: str) -> None:
        """Remove the owner of the export's views, which are dropped. In a transaction."""
        name = VIEWS_PREFIX + export
        if self._may_create and self._connection.execute(_EXISTS, (name,)).fetchone() is not None:
            self._drop_role(name)

    def open(self, token: ExportToken, table: sql.Identifier) -> None:
        """Let the token's role write a table that its load has made."""
        if self._may_create:
            self._run(_GRANT_ROWS, table, sql.Identifier(PREFIX + token.id))

    def _make(self, export: str, token: ExportToken) -> None:
        role = sql.Identifier(PREFIX + token.id)
        if self._connection.execute(_EXISTS, (PREFIX + token.id,)).fetchone() is None:
            self._drop_all(export)
            self._run("CREATE ROLE {} NOLOGIN NOINHERIT", role)
            self._run("COMMENT ON ROLE {} IS {}", role, sql.Literal(f"{token.description}, export {export}"))
            self._run("GRANT {} TO CURRENT_USER", role)
            self._run("GRANT TEMPORARY ON DATABASE {} TO {}", sql.Identifier(self._database()), role)

    def _open(self, token: ExportToken, schema: str, tables: Sequence[sql.Identifier]) -> None:
        role = sql.Identifier(PREFIX + token.id)
        self._run("GRANT USAGE ON SCHEMA {} TO {}", sql.Identifier(schema), role)
        for table in tables:
            self._run(_GRANT_ROWS, table, role)

    def take_on(self, token: ExportToken) -> None:
        """For the rest of the transaction, have the token's rights and no others.

        Raises Retryable if somebody has dropped the role meanwhile: it is made again by the next load.
        """
        if not self._may_create:
            return
        try:
            self._run("SET LOCAL ROLE {}", sql.Identifier(PREFIX + token.id))
        except psycopg.errors.InvalidParameterValue as error:
            reason = f"PostgreSQL: {error.diag.message_primary}; it is made again"
            raise Retryable(reason, after_s=MADE_AGAIN_AFTER_S) from error

    def give_back(self) -> None:
        """For the rest of the transaction, have Forebay's own rights again."""
        if self._may_create:
            self._run("RESET ROLE")

    def exports(self) -> set[str]:
        """The exports (uids) that have a role; but not those whose role cannot be dropped."""
        if not self._may_create:
            return set()
        found = self._connection.execute(_ALL).fetchall()
        return {str(said).rpartition(_OF)[2] for name, said in found if name not in self._staying}

    def drop(self, export: str) -> None:
        """Remove the roles of an export that was deleted. In a transaction."""
        if self._may_create:
            self._drop_all(export)

    def _drop_all(self, export: str) -> None:
        for (name,) in self._connection.execute(_OF_EXPORT, (export,)).fetchall():
            self._drop_role(str(name))

    def _drop_role(self, name: str) -> None:
        try:
            with self._connection.transaction():
                self._run("DROP OWNED BY {0}; DROP ROLE {0}", sql.Identifier(name))
            self._ready = {(token, table) for token, table in self._ready if PREFIX + token != name}
        except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.InsufficientPrivilege) as error:
            self._staying.add(name)
            logger.warning("the role %s stays: %s", name, error.diag.message_primary)

    def _database(self) -> str:
        row = self._connection.execute(_DATABASE).fetchone()
        return str(row[0]) if row else ""

    def _run(self, statement: LiteralString, *parts: sql.Composable) -> None:
        self._connection.execute(sql.SQL(statement).format(*parts))


class Rights:
    """Whose rights a load has: its token's while it writes rows, Forebay's own while it keeps its books."""

    def __init__(self, roles: Roles, token: ExportToken) -> None:
        self._roles = roles
        self._token = token
        self._are_own: bool | None = None  # None: unknown

    def of_token(self) -> None:
        """Have the token's from here on. Raises as `Roles.take_on`."""
        if self._are_own is not False:
            self._roles.take_on(self._token)
            self._are_own = False

    def own(self) -> None:
        """Have Forebay's own from here on."""
        if self._are_own is not True:
            self._roles.give_back()
            self._are_own = True

    def rolled_back(self) -> None:
        """A savepoint was: with it went whatever was had since."""
        self._are_own = None


class ReadingRoles:
    """The roles that queries have: one for each export that has a schema of its own, which may read that and no more.

    They are dropped with the other roles of their export.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        row = connection.execute(_MAY_CREATE).fetchone()
        self._may_create = bool(row and row[0])

    def prepare(self, export: str, schema: str) -> None:
        """Make the role, if it is not there, and let it read what is in the schema by now."""
        role = READING_PREFIX + export
        if not self._may_create or self._connection.execute(_MAY_READ, (role, schema)).fetchone() == (True,):
            return
        with self._connection.transaction():
            self._connection.execute(_LOCK_ROLES)
            if self._connection.execute(_EXISTS, (role,)).fetchone() is None:
                self._run("CREATE ROLE {} NOLOGIN NOINHERIT", sql.Identifier(role))
                comment = sql.Literal(f"queries of {schema}{_OF}{export}")
                self._run("COMMENT ON ROLE {} IS {}", sql.Identifier(role), comment)
                self._run("GRANT {} TO CURRENT_USER", sql.Identifier(role))
            self._run("GRANT USAGE ON SCHEMA {} TO {}", sql.Identifier(schema), sql.Identifier(role))
            self._run("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}", sql.Identifier(schema), sql.Identifier(role))

    def take_on(self, export: str) -> None:
        """For the rest of the transaction, have the role's rights and no others."""
        if self._may_create:
            self._run("SET LOCAL ROLE {}", sql.Identifier(READING_PREFIX + export))

    def _run(self, statement: LiteralString, *parts: sql.Composable) -> None:
        self._connection.execute(sql.SQL(statement).format(*parts))
