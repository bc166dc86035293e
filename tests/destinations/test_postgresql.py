"""What PostgreSQL does beyond the contract: its names, its errors, its locks."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.destinations import postgresql
from app.destinations.base import Load, Loaded, LoadSlice
from app.destinations.postgresql import Postgresql, open_postgresql
from app.errors import Rejected, Retryable, SettingInvalid
from app.model.column import Column, ColumnType
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, TableId
from app.model.row import Row
from app.slicing.csv import encode_rows
from tests.postgresql import lose_connections

TABLE = '"in.c-shop"."orders"'


@pytest.fixture
def url(request) -> str:
    return request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def destination(url) -> Iterator[Postgresql]:
    with closing(open_postgresql(url)) as opened:
        yield opened


def a_mapping(*names: str, key: Sequence[str] = (), table: str = "orders", bucket: str = "c-shop") -> Mapping:
    columns = tuple(Column(name, ColumnType.BODY, primary_key=name in key) for name in names or ("id", "body"))
    return Mapping(TableId("in", bucket, table), columns)


def a_load(*rows: Row, after: int | None = None, mapping: Mapping | None = None, slices: int = 1) -> Load:
    begins = [after, *range((after or 0) + 10, (after or 0) + 10 * slices, 10)]
    parts = [
        LoadSlice(
            "log",
            0,
            begin,
            begin or 0,
            (begin or 0) + 10,
            events=len(rows),
            events_total=len(rows),
            open_rows=lambda: iter(rows),
            open_csv=lambda: (encode_rows(rows),),
        )
        for begin in begins
    ]
    mapping = mapping or a_mapping()
    return Load("export", mapping, ExportToken("id", "a token", mapping.table_id.schema), parts)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def rows_in(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT * FROM {TABLE}").fetchall()


# where it is


@pytest.mark.parametrize("url", ["postgresql://me:secret@[host/db", "postgresql://me:secret@host/db?secret=1"])
def test_a_wrong_url_is_refused_without_showing_it(url):
    with pytest.raises(SettingInvalid, match="postgresql://user:password@host:port/database") as failure:
        open_postgresql(url)
    assert "secret" not in str(failure.value)


def test_nobody_at_the_address_is_retryable_and_shows_no_password(tmp_path):
    with closing(open_postgresql(f"postgresql://me:hidden@/db?host={tmp_path}")) as nowhere:
        with pytest.raises(Retryable, match="PostgreSQL") as failure:
            nowhere.watermarks()
        assert "hidden" not in str(failure.value)


def test_a_database_that_is_not_there_is_retryable(url):
    with closing(open_postgresql(url.replace("/database_", "/no_database_"))) as nowhere, pytest.raises(Retryable):
        nowhere.prepare(a_mapping())


def test_a_connection_that_is_lost_within_a_load_is_retryable_and_the_next_call_connects_anew(url, destination):
    destination.load(a_load(["1", "a"]))
    (part,) = a_load(["2", "b"], after=10).slices

    def losing() -> Iterator[bytes]:
        lose_connections(url)
        return iter(part.open_csv())

    with pytest.raises(Retryable):
        destination.load(msgspec.structs.replace(a_load(), slices=[msgspec.structs.replace(part, open_csv=losing)]))
    assert destination.load(a_load(["2", "b"], after=10)).rows == 1
    assert rows_in(url) == [("1", "a"), ("2", "b")]


def test_a_server_that_was_started_anew_between_two_calls_is_asked_as_if_nothing_had_been(destination, postgresql):
    destination.load(a_load(["1", "a"]))
    before = destination.watermarks()
    postgresql.stop()
    with pytest.raises(Retryable):
        destination.watermarks()
    postgresql.start_again()
    assert destination.watermarks() == before
    postgresql.stop()
    postgresql.start_again()
    assert destination.watermarks() == before


# names


@pytest.mark.parametrize(
    "mapping",
    [a_mapping("x" * 64), a_mapping("ř" * 32), a_mapping(table="t" * 64), a_mapping(bucket="c-" + "b" * 60)],
    ids=["column", "bytes, not characters", "table", "bucket"],
)
def test_a_name_that_postgresql_would_cut_off_is_rejected(destination, mapping):
    with pytest.raises(Rejected, match="longer than the 63 bytes"):
        destination.prepare(mapping)


@pytest.mark.parametrize("name", ["a\0b", "\ud83c"])
def test_a_name_that_cannot_be_is_rejected(destination, name):
    with pytest.raises(Rejected, match="cannot be a name"):
        destination.prepare(a_mapping(name))


def test_names_that_differ_in_case_are_two(url, destination):
    destination.load(a_load(["1", "2"], mapping=a_mapping("id", "ID")))
    assert rows_in(url) == [("1", "2")]


def test_a_view_of_the_tables_name_is_rejected(url, destination):
    execute(url, 'CREATE SCHEMA "in.c-shop"', f"CREATE VIEW {TABLE} AS SELECT 1 AS id")
    with pytest.raises(Rejected, match="something else has its name"):
        destination.prepare(a_mapping())


# what the destination refuses


@pytest.mark.parametrize("wrong", [1, 2, 3, 4, 5])
def test_a_row_of_a_wrong_type_is_named_though_rows_have_many_lines(url, destination, wrong):
    execute(url, 'CREATE SCHEMA "in.c-shop"', f"CREATE TABLE {TABLE} (id integer, body text)")
    bodies = "a\n\nb", "\n", "c", "d\r\n\n", "e"
    rows = [["many" if number == wrong else str(number), body] for number, body in enumerate(bodies, start=1)]
    with pytest.raises(
        Rejected, match=rf'^row {wrong} of .* up to 10: invalid text representation .22P02., column "id"$'
    ):
        destination.load(a_load(*rows, slices=2))
    assert rows_in(url) == []
    assert destination.watermarks() == []


def test_a_row_that_breaks_a_constraint_is_named(url, destination):
    execute(url, 'CREATE SCHEMA "in.c-shop"', f"CREATE TABLE {TABLE} (id text, body text CHECK (body <> 'bad'))")
    with pytest.raises(Rejected, match=r'^row 2 of .*check violation \(23514\), constraint "orders_body_check"$'):
        destination.load(a_load(["1", "good"], ["2", "bad"]))


def test_a_nul_is_rejected_by_its_row(destination):
    with pytest.raises(Rejected, match=r"^row 2 of .*character not in repertoire \(22021\)"):
        destination.load(a_load(["1", "a"], ["2", "b\0c"]))


def test_a_table_that_may_not_be_written_is_rejected(url):
    execute(
        url,
        "DO $$ BEGIN CREATE ROLE limited LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
        "GRANT CREATE ON DATABASE " + url.split("@/")[1].split("?")[0] + " TO limited",
        'CREATE SCHEMA "in.c-shop"',
        f"CREATE TABLE {TABLE} (id text, body text)",
        'GRANT USAGE ON SCHEMA "in.c-shop" TO limited',
    )
    with closing(open_postgresql(url.replace("postgres:@", "limited:@"))) as limited:
        with pytest.raises(Rejected, match="permission denied"):
            limited.load(a_load(["1", "a"]))
        execute(url, f"GRANT INSERT ON {TABLE} TO limited")
        assert limited.load(a_load(["1", "a"])).rows == 1


@pytest.mark.parametrize(
    ("sqlstate", "retryable"),
    [
        ("53100", True),
        ("40001", True),
        ("40P01", True),
        ("57P01", True),
        ("55P03", True),
        ("25006", True),
        ("22P02", False),
        ("23505", False),
        ("42501", False),
        ("42P01", False),
        ("XX000", False),
    ],
)
def test_what_may_pass_is_told_from_what_must_be_mended(url, destination, sqlstate, retryable):
    destination.prepare(a_mapping())
    execute(
        url,
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'so' USING ERRCODE = '{sqlstate}';"
        " END $$",
        f"CREATE TRIGGER fail BEFORE INSERT ON {TABLE} EXECUTE FUNCTION fail()",
    )
    with pytest.raises(Retryable if retryable else Rejected):
        destination.load(a_load(["1", "a"]))
    assert destination.watermarks() == []


CONDITIONS = {  # what is done to the database by its owner, and what the destination then is
    "a value that the column's type cannot have": (f"CREATE TABLE {TABLE} (id int, body text)", Rejected),
    "a value that is too long": (f"CREATE TABLE {TABLE} (id varchar(2), body text)", Rejected),
    "a check": (f"CREATE TABLE {TABLE} (id text CHECK (id <> 'one'), body text)", Rejected),
    "a unique constraint": (f"CREATE TABLE {TABLE} (id text, body text UNIQUE)", Rejected),
    "a column that must have a value": (f"CREATE TABLE {TABLE} (id text, body text)", Rejected),
    "a permission": (f"CREATE TABLE {TABLE} (id text, body text)", Rejected),
    "a table of another form": (f"CREATE TABLE {TABLE} (id text)", Rejected),
    "a database that is read-only for now": (f"CREATE TABLE {TABLE} (id text, body text)", Retryable),
    "a statement that takes too long": (f"CREATE TABLE {TABLE} (id text, body text)", Retryable),
    "a role with too many connections": (f"CREATE TABLE {TABLE} (id text, body text)", Retryable),
}
WORSENED = {
    "a unique constraint": f"INSERT INTO {TABLE} VALUES ('0', 'a')",
    "a column that must have a value": f"ALTER TABLE {TABLE} ALTER COLUMN body SET NOT NULL",
    "a permission": f"REVOKE INSERT ON {TABLE} FROM poor",
    "a database that is read-only for now": "ALTER ROLE poor SET default_transaction_read_only = on",
    "a statement that takes too long": "ALTER ROLE poor SET statement_timeout = '1ms'",
    "a role with too many connections": "ALTER ROLE poor CONNECTION LIMIT 0",
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_condition_of_a_real_server_is_told_apart(url, condition):
    make, expected = CONDITIONS[condition]
    name = conninfo_to_dict(url)["dbname"]
    execute(
        url,
        "DROP ROLE IF EXISTS poor",
        "CREATE ROLE poor LOGIN",
        f"GRANT ALL ON DATABASE {name} TO poor",
        'CREATE SCHEMA "in.c-shop"',
        'GRANT USAGE ON SCHEMA "in.c-shop" TO poor',
        make,
        f"GRANT ALL ON {TABLE} TO poor",
    )
    with closing(open_postgresql(url.replace("postgres:", "poor:"))) as poor:
        poor.watermarks()  # makes its schema
        if condition in WORSENED:
            poor.close()
            execute(url, WORSENED[condition])
        try:
            body = None if "must have a value" in condition else "a"
            with pytest.raises((Rejected, Retryable)) as failure:
                poor.load(a_load(["one", body], *[["x", "y" * 1000]] * 20_000 * ("too long" in condition)))
            assert type(failure.value) is expected, failure.value
        finally:
            execute(url, "DROP OWNED BY poor", "DROP ROLE poor")


def test_of_two_that_wait_for_each_other_one_is_asked_to_come_again(url, destination):
    execute(
        url,
        'CREATE SCHEMA "in.c-shop"',
        f"CREATE TABLE {TABLE} (id text, body text)",
        "CREATE TABLE other (id int)",
        "CREATE FUNCTION reach() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN"
        " LOCK TABLE public.other; RETURN new; END $$",
        f"CREATE TRIGGER reach BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION reach()",
    )
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as thread:
        other.execute("SET deadlock_timeout = '60s'")  # so that it is not the one that is ended
        other.execute("LOCK TABLE public.other")
        loading = thread.submit(destination.load, a_load(["1", "a"]))
        while other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
            assert not loading.done(), loading.result()
        other.execute(f"LOCK TABLE {TABLE}")
        with pytest.raises(Retryable, match="deadlock"):
            loading.result(30)
        other.rollback()
    assert destination.load(a_load(["1", "a"])).rows == 1


# roles


def roles(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'forebay_export_%'")
        return {name for (name,) in found}


def under(load: Load, token_id: str) -> Load:
    token = ExportToken(token_id, f"the token {token_id}", load.mapping.table_id.schema)
    return msgspec.structs.replace(load, token=token)


def test_a_load_has_the_rights_of_its_tokens_role_and_no_others(url, destination):
    execute(
        url,
        'CREATE SCHEMA "in.c-shop"',
        f"CREATE TABLE {TABLE} (id text, body text, who text DEFAULT current_user)",
        "CREATE TABLE elsewhere (id text)",
        "CREATE FUNCTION reach() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF new.body = 'reach' THEN INSERT INTO public.elsewhere VALUES (new.id); END IF; RETURN new; END $$",
        f"CREATE TRIGGER reach BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION reach()",
        f"ALTER TABLE {TABLE} DROP COLUMN who, ADD COLUMN who text",
    )
    mapping = a_mapping("id", "body", "who")
    destination.load(under(a_load(["1", "a", None], mapping=mapping), "r1"))
    with pytest.raises(Rejected, match="permission denied for table elsewhere"):
        destination.load(under(a_load(["2", "reach", None], after=10, mapping=mapping), "r1"))
    assert rows_in(url) == [("1", "a", None)]
    assert "forebay_export_r1" in roles(url)


def test_a_new_token_replaces_the_role_and_a_deleted_export_has_none(url, destination):
    ours = {"forebay_export_r2", "forebay_export_r3"}
    destination.load(under(a_load(["1", "a"]), "r2"))
    destination.load(under(a_load(["2", "b"], after=10), "r3"))
    assert roles(url) & ours == {"forebay_export_r3"}
    destination.load(under(a_load(["3", "c"], after=20), "r2"))  # a file of an older mapping
    assert roles(url) & ours == {"forebay_export_r2"}
    destination.forget("export")
    assert not roles(url) & ours
    assert len(rows_in(url)) == 3


def test_the_role_of_an_export_that_never_loaded_goes_when_it_is_forgotten(url, destination):
    execute(url, 'CREATE SCHEMA "in.c-shop"', f"CREATE TABLE {TABLE} (id int, body text)")
    load = msgspec.structs.replace(under(a_load(["one", "a"]), "r6"), export="never-loaded")
    with pytest.raises(Rejected):
        destination.load(load)
    assert destination.watermarks() == []
    assert "forebay_export_r6" in roles(url)
    assert "never-loaded" in destination.exports()
    destination.forget("never-loaded")
    assert "forebay_export_r6" not in roles(url)
    assert "never-loaded" not in destination.exports()


def test_upserts_work_under_a_role(url, destination):
    mapping = a_mapping(key=["id"])
    destination.load(under(a_load(["1", "a"], ["1", "b"], mapping=mapping), "r4"))
    destination.load(under(a_load(["1", "c"], after=10, mapping=mapping), "r4"))
    assert rows_in(url) == [("1", "c")]


def test_a_role_that_somebody_dropped_is_made_again(url, destination):
    destination.load(under(a_load(["1", "a"]), "r5"))
    execute(url, "DROP OWNED BY forebay_export_r5", "DROP ROLE forebay_export_r5")
    with pytest.raises(Retryable, match="forebay_export_r5"):
        destination.load(under(a_load(["2", "b"], after=10), "r5"))
    assert destination.load(under(a_load(["2", "b"], after=10), "r5")).rows == 1


def test_a_user_who_may_not_create_roles_loads_all_the_same_and_it_is_said(url, caplog):
    execute(
        url,
        "DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
        "GRANT CREATE ON DATABASE " + url.split("@/")[1].split("?")[0] + " TO plain",
    )
    with closing(open_postgresql(url.replace("postgres:@", "plain:@"))) as plain:
        assert plain.load(a_load(["1", "a"])).rows == 1
    assert "may not create roles" in caplog.text


# locks


def test_a_locked_table_is_retryable(url, destination, monkeypatch):
    monkeypatch.setattr(postgresql, "_OPTIONS", "-c lock_timeout=100ms")
    destination.prepare(a_mapping())
    destination.close()
    with psycopg.connect(url) as other:
        other.execute(f"LOCK TABLE {TABLE}")
        with pytest.raises(Retryable, match="lock timeout"):
            destination.load(a_load(["1", "a"]))
    assert destination.load(a_load(["1", "a"])).rows == 1


def test_a_key_that_is_there_already_is_told_without_its_value(url, destination):
    execute(url, 'CREATE SCHEMA "in.c-shop"', f"CREATE TABLE {TABLE} (id text, body text UNIQUE)")
    with pytest.raises(Rejected) as failure:
        destination.load(a_load(["1", "s3cret"], ["2", "s3cret"]))
    assert "s3cret" not in str(failure.value)
    assert 'unique violation (23505), constraint "orders_body_key"' in str(failure.value)


def test_the_urls_own_parameters_count(url):
    with closing(open_postgresql(url + "&application_name=shop&options=-c%20search_path%3Dpg_catalog")) as ours:
        ours.watermarks()
        assert ours._connected().execute("SHOW application_name").fetchone() == ("shop",)
        assert ours._connected().execute("SHOW search_path").fetchone() == ("pg_catalog",)
        assert ours._connected().execute("SHOW lock_timeout").fetchone() == ("10s",)


def test_who_may_create_no_schema_uses_those_that_are_there(url, destination):
    destination.watermarks()
    execute(
        url,
        "DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
        'CREATE SCHEMA "in.c-shop" AUTHORIZATION guest',
        "GRANT USAGE ON SCHEMA _forebay TO guest",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON _forebay.watermarks TO guest",
    )
    with closing(open_postgresql(url.replace("postgres:@", "guest:@"))) as guest:
        assert guest.load(a_load(["1", "a"])).rows == 1


def test_a_loader_that_is_slow_is_not_ended(url, destination, monkeypatch):
    monkeypatch.setattr(postgresql, "_OPTIONS", "-c lock_timeout=500ms")
    monkeypatch.setattr(postgresql, "PAUSED_MAX_S", 0)
    begun, enough = threading.Event(), threading.Event()

    def trickling() -> Iterator[bytes]:
        number = 0
        while not enough.wait(0.01):
            number += 1
            yield b"%d,%s\n" % (number, b"x" * 20_000)
            begun.set()

    load = a_load(["1", "a"])
    (part,) = load.slices
    slow = LoadSlice("log", 0, None, 0, 10, 2, 2, open_rows=part.open_rows, open_csv=trickling)
    with ThreadPoolExecutor(1) as thread, closing(open_postgresql(url)) as working:
        loaded = thread.submit(working.load, Load("export", load.mapping, load.token, [slow]))
        assert begun.wait(30)
        with pytest.raises(Retryable, match="lock timeout"):
            destination.load(load)
        enough.set()
        assert loaded.result().slices_loaded == 1


def test_a_loader_that_is_paused_in_mid_act_is_ended_and_does_no_harm(url, destination, monkeypatch):
    monkeypatch.setattr(postgresql, "_OPTIONS", "-c lock_timeout=100ms")
    monkeypatch.setattr(postgresql, "PAUSED_MAX_S", 0)
    paused, resume = threading.Event(), threading.Event()

    def halting() -> Iterator[bytes]:
        yield b"1,a\n"
        paused.set()
        assert resume.wait(30)
        yield b"2,b\n"

    load = a_load(["1", "a"], ["2", "b"])
    (part,) = load.slices
    slow = LoadSlice("log", 0, None, 0, 10, 2, 2, open_rows=part.open_rows, open_csv=halting)
    with ThreadPoolExecutor(1) as thread, closing(open_postgresql(url)) as zombie:
        halted = thread.submit(zombie.load, Load("export", load.mapping, load.token, [slow]))
        assert paused.wait(30)
        with pytest.raises(Retryable, match="lock timeout"):
            destination.load(load)
        assert destination.load(load) == Loaded(2, 1, 0)
        resume.set()
        with pytest.raises(Retryable):
            halted.result()
        assert zombie.load(load) == Loaded(0, 0, 1)
    assert rows_in(url) == [("1", "a"), ("2", "b")]


# split files


def split(load: Load) -> Load:
    return msgspec.structs.replace(load, split=True)


@pytest.mark.parametrize("key", [[], ["id"]])
def test_values_that_a_columns_type_cannot_have_are_left_out_of_a_split_file(url, destination, key):
    primary_key = ", PRIMARY KEY (id)" if key else ""
    execute(url, 'CREATE SCHEMA "in.c-shop"', f"CREATE TABLE {TABLE} (id int, body varchar(3){primary_key})")
    rows = [("1", "a"), ("two", "b"), ("3", "long"), ("4", "\x00"), ("5", "é\n\t"), ("99999999999", "c")]
    loaded = destination.load(split(a_load(*rows, mapping=a_mapping(key=key))))
    assert (loaded.rows, loaded.refused) == (2, 4)
    assert rows_in(url) == [(1, "a"), (5, "é\n\t")]
    reasons = {row.row: row.reason for row in destination.refused("export")}
    assert sorted(reasons) == [2, 3, 4, 6]
    assert reasons[2] == 'invalid text representation (22P02), column "id"'
    assert reasons[3].startswith("string data right truncation (22001)")
    assert "NUL" in reasons[4]


@pytest.mark.parametrize("deferred", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_rows_that_are_refused_behind_the_copy_are_found_too(url, destination, deferred):
    execute(
        url,
        'CREATE SCHEMA "in.c-shop"',
        'CREATE TABLE "in.c-shop".known (id text PRIMARY KEY)',
        """INSERT INTO "in.c-shop".known SELECT generate_series(0, 40)::text""",
        f'CREATE TABLE {TABLE} (id text REFERENCES "in.c-shop".known {deferred}, body text)',
    )
    bad = {0, 17, 18, 40}
    rows = [(f"unknown {n}" if n in bad else str(n), "a") for n in range(41)]
    assert destination.load(split(a_load(*rows))).rows == 37
    assert [row.row for row in destination.refused("export")] == [n + 1 for n in sorted(bad)]
    assert {row.reason.partition(",")[0] for row in destination.refused("export")} == {"foreign key violation (23503)"}


def test_rows_that_a_trigger_refuses_are_left_out(url, destination):
    execute(
        url,
        'CREATE SCHEMA "in.c-shop"',
        f"CREATE TABLE {TABLE} (id text, body text)",
        "CREATE FUNCTION pg_temp_free() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF new.body = 'no' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN new; END $$",
        f"CREATE TRIGGER judge BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION pg_temp_free()",
    )
    assert destination.load(split(a_load(("1", "a"), ("2", "no"), ("3", "c")))).rows == 2
    (refused,) = destination.refused("export")
    assert (refused.row, refused.reason) == (2, "not this one")


def test_what_is_remembered_of_an_earlier_version_is_kept(url, destination):
    destination.load(a_load(("1", "a")))
    destination.close()
    execute(
        url,
        "DROP TABLE _forebay.refused, _forebay.pipelines",
        "ALTER TABLE _forebay.watermarks DROP COLUMN refused_total",
    )
    assert [(mark.end, mark.refused_total) for mark in destination.watermarks()] == [(10, 0)]
    assert destination.refused("export") == []
