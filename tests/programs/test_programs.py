import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.model.relation import View
from app.programs.compiler import CHARACTERS_MAX, FAULTS_MAX, compile_program
from app.programs.declarations import COLUMNS_MAX, KEY_COLUMNS_MAX


def relation_of(code: str):
    compiled = compile_program(code)
    assert [message for message in compiled.messages if not message.warning] == []
    (relation,) = compiled.relations
    return relation


def column_of(text: str):
    return relation_of(f"CREATE TABLE t (c {text})").fields[0]


def fault_of(code: str):
    compiled = compile_program(code)
    assert compiled.failed
    return compiled.messages[-1]


# names


def test_names_are_in_lower_case_unless_they_are_quoted():
    relation = relation_of('CREATE TABLE "TaBle" (Id INT, "Id" INT, "a ""b""" INT, ΔΘ INT, "😁❤" INT)')
    assert (relation.name, relation.case_sensitive) == ("TaBle", True)
    assert relation.column_names == ("id", "Id", 'a "b"', "δθ", "😁❤")
    assert [field.case_sensitive for field in relation.fields] == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("CREATE TABLE order (a INT)", "'order' is a reserved word: a name like it must be in double quotes"),
        ("CREATE TABLE t (User INT)", "'User' is a reserved word: a name like it must be in double quotes"),
        ("CREATE VIEW now AS SELECT 1", "'now' is a reserved word: a name like it must be in double quotes"),
        ("CREATE TABLE Feldera_x (a INT)", "names that begin with 'feldera' are for the system: 'feldera_x'"),
        ('CREATE VIEW "FELDERA" AS SELECT 1', "names that begin with 'feldera' are for the system: 'FELDERA'"),
        ('CREATE TABLE "" (a INT)', "the name of a table must not be empty"),
        (f"CREATE TABLE t ({'c' * 64} INT)", f"the name of a column has more than 63 bytes: '{'c' * 64}'"),
        ("CREATE TABLE 😁 (a INT)", "'😁' is no name: put it in double quotes"),
        ("CREATE TABLE 'x' (a INT)", "expected the name of a table, found 'x'"),
        ("CREATE TABLE a.b (a INT)", "expected '(', found '.'"),
        ("CREATE TABLE t (a INT, A INT)", "there is a column 'a' already"),
        ("CREATE TABLE t (a INT); CREATE VIEW T AS SELECT 1", "there is a table or view 't' already"),
        ("CREATE TYPE int AS BIGINT", "there is a type 'int' already"),
        ("CREATE TYPE u AS INT; CREATE TYPE U AS INT", "there is a type 'u' already"),
    ],
)
def test_what_is_no_name_or_taken_is_said(code, fault):
    assert fault_of(code).message == fault


def test_a_name_may_be_as_long_as_databases_take_it():
    assert relation_of(f'CREATE TABLE {"t" * 63} ("{"é" * 31}" INT)').name == "t" * 63
    assert "more than 63 bytes" in fault_of(f'CREATE TABLE t ("{"é" * 32}" INT)').message


def test_quoted_names_that_differ_in_case_are_for_the_destination_to_judge():
    compiled = compile_program('CREATE TABLE a ("x" INT, "X" INT); CREATE TABLE "A" (x INT)')
    assert not compiled.failed


# keys


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ("a INT NOT NULL PRIMARY KEY, b INT", ("a",)),
        ("a INT PRIMARY KEY NOT NULL", ("a",)),
        ("a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (b, A)", ("b", "a")),
        ("PRIMARY KEY (a), a INT NOT NULL", ("a",)),
        ("a INT NOT NULL, CONSTRAINT pk PRIMARY KEY (a)", ("a",)),
        ("a INT", ()),
    ],
)
def test_the_key_is_that_of_a_column_or_of_the_table(columns, key):
    assert relation_of(f"CREATE TABLE t ({columns})").primary_key == key


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ("a INT PRIMARY KEY", "column 'a' of a PRIMARY KEY must be NOT NULL"),
        ("a INT, PRIMARY KEY (a)", "column 'a' of a PRIMARY KEY must be NOT NULL"),
        ("a INT NOT NULL, PRIMARY KEY (b)", "there is no column 'b'"),
        ("a INT NOT NULL, PRIMARY KEY (a, a)", "column 'a' is in the key already"),
        (
            "a INT NOT NULL PRIMARY KEY, b INT NOT NULL PRIMARY KEY",
            "a table has one PRIMARY KEY: name all its columns there",
        ),
        ("a INT NOT NULL PRIMARY KEY, PRIMARY KEY (a)", "a table has one PRIMARY KEY: name all its columns there"),
        ("PRIMARY KEY (a)", "table 't' has no columns"),
        ("a INT, FOREIGN KEY (b) REFERENCES u (x)", "there is no column 'b'"),
        ("a INT, FOREIGN KEY (a) REFERENCES u (x, y)", "a foreign key of 1 columns refers to as many"),
        ("a INT, CHECK (a > 0)", "CHECK is not supported: filter in a view"),
        ("a INT,", "expected the name of a column, found ')'"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(columns, fault):
    assert fault_of(f"CREATE TABLE t ({columns})").message == fault


def test_tables_have_so_many_columns_and_their_keys():
    def table(columns: int, key: int) -> str:
        names = [f"c{n}" for n in range(columns)]
        return f"CREATE TABLE t ({' INT NOT NULL, '.join(names)} INT NOT NULL, PRIMARY KEY ({', '.join(names[:key])}))"

    assert len(relation_of(table(COLUMNS_MAX, KEY_COLUMNS_MAX)).fields) == COLUMNS_MAX
    assert fault_of(table(COLUMNS_MAX + 1, 1)).message == f"a table has at most {COLUMNS_MAX} columns"
    assert fault_of(table(50, KEY_COLUMNS_MAX + 1)).message == f"a key has at most {KEY_COLUMNS_MAX} columns"


def test_foreign_keys_lateness_and_more_are_read_in_any_order():
    relation = relation_of(
        """
        CREATE TABLE t (
            a INT FOREIGN KEY REFERENCES u(x) NOT NULL, -- with a comment, a ; and a '
            b TIMESTAMP LATENESS INTERVAL '1' HOUR DEFAULT TIMESTAMP '2026-01-01 00:00:00' /* ; */ NOT NULL,
            c VARCHAR INTERNED,
            d TIMESTAMP WATERMARK INTERVAL (1 + 2) MINUTE,
            FOREIGN KEY (a, "c") REFERENCES "U" ("X", y)
        ) WITH ('materialized' = 'true', 'append_only'='false')
        """
    )
    a, b, _, _ = relation.fields
    assert (a.type.nullable, b.type.nullable) == (False, False)
    assert (b.lateness, b.default_sql) == ("INTERVAL '1' HOUR", "TIMESTAMP '2026-01-01 00:00:00'")
    assert relation.properties == (("materialized", "true"), ("append_only", "false"))


def test_what_has_no_effect_is_a_warning():
    compiled = compile_program(
        "CREATE TABLE t (a TIMESTAMP WATERMARK INTERVAL 1 DAY) WITH ('connectors' = '[]');"
        "CREATE VIEW v WITH ('connectors' = '[]') AS SELECT 1"
    )
    assert not compiled.failed
    assert [message.error_type for message in compiled.messages] == ["Warning"] * 3
    assert len(compiled.relations) == len(compiled.views) == 1


# defaults


@pytest.mark.parametrize(
    ("column", "default", "sql"),
    [
        ("INT DEFAULT 5", "5", "5"),
        ("INT DEFAULT -5", "-5", "-5"),
        ("INT DEFAULT + 5", "5", "+ 5"),
        ("INT DEFAULT (5)", "5", "(5)"),
        ("INT DEFAULT NULL", "null", "NULL"),
        ("VARCHAR DEFAULT 'it''s'", '"it\'s"', "'it''s'"),
        ("BOOLEAN DEFAULT TRUE", "true", "TRUE"),
        ("DECIMAL(5,2) DEFAULT 1.005", '"1.01"', "1.005"),
        ("DECIMAL(5,2) DEFAULT .5", '"0.50"', ".5"),
        ("DECIMAL(5,2) DEFAULT 5.", '"5.00"', "5."),
        ("DOUBLE DEFAULT 1e3", "1000.0", "1e3"),
        ("DATE DEFAULT DATE '2026-1-2'", '"2026-01-02"', "DATE '2026-1-2'"),
        ("DATE DEFAULT '2026-01-02'", '"2026-01-02"', "'2026-01-02'"),
        ("BINARY DEFAULT x'0A0b'", '"0a0b"', "x'0A0b'"),
        ("UUID DEFAULT UUID '00000000000000000000000000000001'", '"00000000-0000-0000-0000-000000000001"', None),
        ("INT ARRAY DEFAULT ARRAY[1, NULL]", '"[1,null]"', "ARRAY[1, NULL]"),
        ("INT ARRAY DEFAULT ARRAY[]", '"[]"', "ARRAY[]"),
        ("MAP<INT, VARCHAR> DEFAULT MAP[1, 'a', 2, 'b']", '"{\\"1\\":\\"a\\",\\"2\\":\\"b\\"}"', None),
    ],
)
def test_a_default_is_kept_as_its_canonical_value(column, default, sql):
    field = column_of(column)
    assert field.default == default
    assert sql in {None, field.default_sql}


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ("INT DEFAULT 'x'", "the default does not fit the column's type: "),
        ("TINYINT DEFAULT 128", "the default does not fit the column's type: "),
        ("INT DEFAULT 1.5", "the default does not fit the column's type: "),
        ("INT NOT NULL DEFAULT NULL", "column 'c' is NOT NULL, and its default is NULL"),
        ("INT DEFAULT NULL NOT NULL", "column 'c' is NOT NULL, and its default is NULL"),
        ("INT DEFAULT 1 DEFAULT 2", "column 'c' has a default already"),
        ("TIMESTAMP DEFAULT NOW()", "a default must be a constant"),
        ("INT DEFAULT 1 + 1", "expected a constraint of the column"),
        ("INT DEFAULT", "expected a constant, found ')'"),
        ("INT DEFAULT -", "expected a number, found ')'"),
        ("DOUBLE DEFAULT 1.5e", "'1.5e' is no number"),
        ("DOUBLE DEFAULT " + "1" * 500, "a number has at most 400 characters"),
        ("BINARY DEFAULT x'0g'", "not an even count of hexadecimal digits"),
        ("MAP<INT, INT> DEFAULT MAP[1]", "a MAP is made of pairs of a key and a value"),
        ("INT DEFAULT " + "(" * 5000, "a constant is nested more than 20 deep"),
        ("INT ARRAY DEFAULT " + "ARRAY[" * 5000, "a constant is nested more than 20 deep"),
    ],
)
def test_what_is_no_default_is_said(column, fault):
    assert fault_of(f"CREATE TABLE t (c {column})").message.startswith(fault)


# views


def test_a_view_keeps_its_query_as_it_stands():
    compiled = compile_program(
        """CREATE VIEW a AS SELECT ';' AS "x;y" /* ; */ FROM t -- the end
        ; CREATE MATERIALIZED VIEW "B" WITH ('k' = 'v') AS WITH q AS (SELECT 1) SELECT * FROM q;
        CREATE LOCAL VIEW c AS VALUES (1) ;;"""
    )
    assert compiled.messages == []
    assert compiled.views == [
        View("a", """SELECT ';' AS "x;y" /* ; */ FROM t"""),
        View(
            "B",
            "WITH q AS (SELECT 1) SELECT * FROM q",
            case_sensitive=True,
            materialized=True,
            properties=(("k", "v"),),
        ),
        View("c", "VALUES (1)"),
    ]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("CREATE VIEW v", "expected 'AS', found the end of the statement"),
        ("CREATE VIEW v AS", "expected a query, found the end of the statement"),
        ("CREATE VIEW v AS;", "expected a query, found the end of the statement"),
        ("CREATE VIEW v (a) AS SELECT 1", "name the columns of a view in its query, with AS"),
        ("CREATE VIEW v WITH ('a') AS SELECT 1", "expected '=', found ')'"),
        ("CREATE TABLE t (a INT) WITH ('k'='1', 'k'='2')", "there is a property 'k' already, or more than 100"),
        ("CREATE TABLE t (a INT) AS SELECT 1", "expected ';', found 'AS'"),
        ("DROP TABLE t", "a program may hold CREATE TABLE, CREATE VIEW and CREATE TYPE"),
        ("CREATE TABL x(;", "a program may hold CREATE TABLE, CREATE VIEW and CREATE TYPE"),
        ("SELECT 1", "a program may hold CREATE TABLE, CREATE VIEW and CREATE TYPE"),
    ],
)
def test_what_is_no_statement_is_said(code, fault):
    assert fault_of(code).message == fault


# faults


def test_a_fault_says_where_it_is():
    message = fault_of("CREATE TABLE t (\n  id BIGINT,\n  price FLOAT NOT NULL\n);")
    places = (message.start_line_number, message.start_column, message.end_line_number, message.end_column)
    assert places == (3, 9, 3, 13)
    assert (message.error_type, message.warning) == ("Not supported", False)
    assert message.snippet == "    3|  price FLOAT NOT NULL\n              ^^^^^\n"


def test_each_statement_tells_its_first_fault():
    compiled = compile_program("CREATE TABLE a (x FLOAT, y FLOAT); CREATE TABLE b (x INT); DROP TABLE a; nonsense")
    assert [message.start_column for message in compiled.messages] == [19, 60, 74]
    assert [relation.name for relation in compiled.relations] == ["b"]
    assert len(compile_program("x;" * 1000).messages) == FAULTS_MAX


@pytest.mark.parametrize(
    ("code", "column"),
    [("CREATE TABLE t (a INT DEFAULT 'x)", 31), ('CREATE TABLE "t (a INT)', 14), ("CREATE /* TABLE t", 17)],
)
def test_a_quote_or_a_comment_that_is_never_closed_is_said(code, column):
    message = fault_of(code)
    assert message.message == "a quote or a comment that is never closed"
    assert message.start_column == column


def test_a_fault_of_several_lines_shows_the_first_of_them():
    message = fault_of("DROP\nTABLE\nt")
    assert (message.start_line_number, message.end_line_number, message.end_column) == (1, 3, 1)
    assert message.snippet == "    1|DROP\n    2|TABLE\n    3|t\n"


def test_what_the_destination_refuses_is_told_where_it_was_declared():
    compiled = compile_program("CREATE TABLE t (a INT);\nCREATE VIEW v AS SELECT b FROM t;")
    message = compiled.refused("v", "no such column: b")
    assert (message.start_line_number, message.start_column, message.end_column) == (2, 1, 32)
    assert (message.error_type, message.message) == ("Compilation error", "no such column: b")


def test_an_empty_program_declares_nothing():
    for code in ("", " \n", ";;", "-- nothing"):
        compiled = compile_program(code)
        assert (compiled.relations, compiled.views, compiled.messages) == ([], [], [])


def test_a_program_has_so_many_characters_and_takes_time_in_proportion():
    assert "at most" in fault_of("-" * (CHARACTERS_MAX + 1)).message
    hostile = [
        "(",
        "CREATE TABLE t (",
        "'a' ",
        "a",
        "/*x*/",
        "ROW(",
        "MAP<",
        "1.",
        "--\n",
        ";",
        '""',
        "CREATE VIEW v AS ",
    ]
    for piece in hostile:
        begun = time.process_time()
        compile_program((piece * CHARACTERS_MAX)[:CHARACTERS_MAX])
        assert time.process_time() - begun < 5, piece


PIECES = """
    CREATE TABLE VIEW TYPE AS MATERIALIZED LOCAL t a "B" INT VARCHAR DECIMAL ROW MAP ARRAY NOT NULL PRIMARY KEY FOREIGN
    REFERENCES DEFAULT LATENESS WITH ( ) < > , ; = . - + 'x' 1 2.5 [ ] x'0a' /* */ -- ' " TIMESTAMP ZONE TIME 😁
"""
WORDS = st.sampled_from([*PIECES.split(), "\n", "\0"])


@given(st.lists(WORDS, max_size=60).map(" ".join))
@example("CREATE TABLE t (a ROW(b INT) DEFAULT x'")
def test_whatever_the_words_it_is_compiled_or_refused_with_a_place(code):
    _check(code)


@given(st.text(max_size=80))
@example("\ud800")
def test_whatever_the_text_it_is_compiled_or_refused_with_a_place(code):
    _check(f"CREATE TABLE t ({code})")
    _check(code)


def _check(code: str) -> None:
    compiled = compile_program(code)
    lines = code.split("\n")
    for message in compiled.messages:
        assert 1 <= message.start_line_number <= message.end_line_number <= len(lines)
        assert 1 <= message.start_column <= len(lines[message.start_line_number - 1]) + 1
        assert message.message
        assert message.snippet
    for relation in compiled.relations:
        assert relation.fields
        assert set(relation.primary_key) <= set(relation.column_names)
