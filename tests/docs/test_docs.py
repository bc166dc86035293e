"""What the documentation says of the code is true, where that can be checked."""

import ast
import re
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from app import errors
from app.scrape import METRICS
from app.settings import Settings
from app.web.buffer.error_names import ERRORS
from tests.docs.pages import DOCS, PAGES, README, ROOT, anchors, blocks, links, rows

CHANGELOG = ROOT / "CHANGELOG.md"
OPERATIONS = DOCS / "operations.md"
VOCABULARY = DOCS / "vocabulary.md"

_LIMIT = re.compile(r"[A-Z]\w*_(MAX|MIN|S|US|MS|BYTES)")
NO_LIMITS = {
    "US_PER_S": "a unit",
    "RANDOM_BYTES": "the length of a name that is made up",
    "TOKEN_ID_BYTES": "the length of a name that is made up",
    "SUBMISSION_BYTES": "the length of a name that is made up",
    "KEY_HASH_BYTES": "the length of a hash",
    "SIZE_DEFAULT_BYTES": "a default",
    "TIME_DEFAULT_S": "a default",
    "RETRY_AFTER_S": "a text: what an answer says",
    "LOAD_INTERVAL_DEFAULT_S": "a default",
    "LOAD_TAKES_S": "an estimate: how long a load takes",
    "ACK_BOUNDS_S": "the classes of a histogram",
    "CUT_BOUNDS_S": "the classes of a histogram",
    "LOAD_BOUNDS_S": "the classes of a histogram",
    "TASKS_KEPT_US": "SUCCESS_KEPT_US and ERROR_KEPT_US by status",
    "LENGTH_BYTES": "a part of a format",
    "OVERHEAD_BYTES": "an estimate: what an event takes beside its texts",
    "RECORD_OVERHEAD_BYTES": "an estimate: what a record takes beside its value",
    "BATCH_OVERHEAD_BYTES": "an estimate: what a batch takes beside its records",
}

_UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "s": 1, "h": 3600, "d": 24 * 3600}


def value_of(text: str) -> object:
    """A default as the table of settings writes it: a word in quotes, or a number with its unit."""
    if text.startswith("`"):
        return text.strip("`")
    number, _, unit = text.partition(" ")
    return float(number) * _UNITS[unit]


def default_of(name: str, data_dir: Path) -> object:
    """The default, with the data directory as the table writes it."""
    value = getattr(Settings(), name)
    if name == "data_dir":
        return str(value.relative_to(data_dir.parent))
    if isinstance(value, str):
        return value.replace(str(data_dir), "<data dir>")
    return "" if value is None else float(value)


def test_the_table_of_settings_has_every_setting_with_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FOREBAY_{name.upper()}", raising=False)
    said = {row[0].strip("`"): value_of(row[1]) if row[1] else "" for row in rows(OPERATIONS, "Settings")}
    assert said == {
        f"FOREBAY_{name.upper()}": default_of(name, tmp_path / "data") for name in sorted(Settings.model_fields)
    }


def bounds_of(text: str) -> dict[str, float]:
    """Bounds as the table of settings writes them: `1 to 256`, `at least 1 MiB`, `above 0, to 60 s`."""
    found = re.fullmatch(r"(?:(above )|at least )?([\d.]+(?: [KMG]iB)?)(?:,? to ([\d.]+(?: \w+)?))?", text)
    assert found, text
    above, least, most = found.groups()
    bounds = {"gt" if above else "ge": value_of(least)}
    return bounds | ({"le": value_of(most)} if most else {})


def test_the_table_of_settings_has_the_bounds_that_are_checked() -> None:
    said = {row[0].strip("`"): bounds_of(row[2]) for row in rows(OPERATIONS, "Settings") if row[2]}
    checked = {
        f"FOREBAY_{name.upper()}": {
            bound: value
            for part in field.metadata
            for bound in ("gt", "ge", "lt", "le")
            if (value := getattr(part, bound, None)) is not None
        }
        for name, field in Settings.model_fields.items()
    }
    assert said == {name: bounds for name, bounds in checked.items() if bounds}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """In backquotes, with a slash, below a room of the house. A design that is not built yet names no file."""
    named = re.findall(r"`((?:app|agents|tables|tests|docs|benchmarks)/[\w./*-]+)`", page.read_text())
    missing = [name for name in named if not list(ROOT.glob(name.rstrip("/")))]
    assert missing == []


def test_the_index_leads_to_every_page() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / link).resolve() for link in links(index)}
    assert {page for page in PAGES if page not in {index, README, CHANGELOG}} <= linked


def test_the_tree_of_errors_is_the_tree_of_classes() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)(\w+)(?:  .*)?$", line)
        if found and hasattr(errors, found[2]):
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            drawn[found[2]] = above[depth - 1] if depth else "Exception"
    classes = {
        name: thing.__base__.__name__
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, Exception)
    }
    assert drawn == classes


def test_each_word_of_the_vocabulary_is_defined_once_and_lives_where_it_says() -> None:
    words = [row[0].strip("*") for row in rows(VOCABULARY, "Words")]
    assert len(words) == len({word.lower() for word in words})
    assert words == sorted(words, key=str.lower)
    for word, _, home in rows(VOCABULARY, "Words"):
        files = re.findall(r"`([\w./]+)`", home)
        assert files, word
        assert all((ROOT / name).exists() for name in files), word


def test_the_crash_points_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for room in ("app", "agents") for path in (ROOT / room).rglob("*.py"))
    reached = set(re.findall(r'\.reach\("([\w-]+)"\)', code))
    assert {row[0].strip("`") for row in rows(DOCS / "architecture.md", "Crash points")} == reached


def test_the_floors_are_those_that_are_checked_with_all_that_there_is() -> None:
    config = ConfigParser()
    config.read(ROOT / ".importlinter")
    layers = config["importlinter:contract:floors"]["layers"].split("\n")
    floors = {module: floor for floor, layer in enumerate(layers) for module in re.findall(r"[\w.]+", layer)}
    cells = [cell for cell, *_ in rows(DOCS / "architecture.md", "Rooms and floors")]
    said = [name.removesuffix(".py").replace("/", ".") for name in re.findall(r"`([\w/.]+?)/?`", " ".join(cells))]
    there = {f"app.{path.stem}" for path in (ROOT / "app").glob("[!_]*")} | {"agents", "tables"}
    assert set(said) == set(floors) == there
    assert said == sorted(said, key=floors.__getitem__)


def test_the_doors_of_no_api_are_all_named() -> None:
    (said,) = [what for room, what in rows(DOCS / "architecture.md", "Rooms and floors") if room == "`app/web/`"]
    assert set(re.findall(r"`(\w+\.py)`", said)) == {path.name for path in (ROOT / "app" / "web").glob("[!_]*.py")}


def test_the_limits_are_those_of_the_code() -> None:
    """Each row: names, values, units, meaning, file. Names in capitals are constants, the others are parameters."""
    for names, values, units, _, home in rows(DOCS / "architecture.md", "Limits"):
        path = home.strip("`")
        text, module = (ROOT / path).read_text(), import_module(path.removesuffix(".py").replace("/", "."))
        for name, value, unit in zip(names.split(", "), values.split(", "), each_of(units), strict=False):
            assert re.search(rf"\b{name.strip('`')}\b", text), f"{name} in {home}"
            constant = getattr(module, name.strip("`"), None)
            if isinstance(constant, int | float):
                assert constant == float(value.replace(" ", "")) * _UNITS.get(unit, 1), name


def test_every_limit_of_the_code_is_in_the_table_and_the_other_way_round() -> None:
    """A constant of a module whose name ends as that of a limit is one, but for NO_LIMITS."""
    said = {
        (home.strip("`"), name.strip("`"))
        for names, *_, home in rows(DOCS / "architecture.md", "Limits")
        for name in names.split(", ")
        if name.isupper()
    }
    defined = {
        (str(path.relative_to(ROOT)), name)
        for room in ("app", "agents", "tables")
        for path in (ROOT / room).rglob("*.py")
        for name in constants(path)
    }
    assert said <= defined
    unsaid = {(home, name) for home, name in defined - said if _LIMIT.fullmatch(name)}
    assert {(home, name) for home, name in unsaid if name not in NO_LIMITS} == set()
    assert set(NO_LIMITS) <= {name for _, name in unsaid}


def constants(path: Path) -> list[str]:
    """The names that a module defines by assignment."""
    assigned = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    names = [name for node in assigned for name in ast.walk(node) if isinstance(name, ast.Name)]
    return [name.id for name in names if isinstance(name.ctx, ast.Store)]


def test_the_metrics_are_those_of_the_code() -> None:
    said = [
        (name.strip("`"), kind, tuple(re.findall(r"`(\w+)`", labels)), what)
        for name, kind, labels, what in rows(OPERATIONS, "Metrics")
        if name.startswith("`forebay_")
    ]
    assert said == [(spec.name, spec.kind, spec.labels, spec.help) for spec, _ in METRICS]


def test_the_alerts_speak_of_metrics_that_there_are() -> None:
    (rules,) = [block for block in map(yaml.safe_load, blocks(OPERATIONS, "yaml")) if "groups" in block]
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    named = {name for text in expressions for name in re.findall(r"\bforebay_\w+", text)}
    labels = {label for text in expressions for label in re.findall(r"(\w+)=~?\"", text)} - {"job"}
    known = {spec.name + ("_bucket" if spec.kind == "histogram" else "") for spec, _ in METRICS}
    assert named
    assert named <= known
    assert labels <= {label for spec, _ in METRICS for label in spec.labels}


def each_of(units: str) -> list[str]:
    """One unit for all, or one for each."""
    return units.split(", ") if ", " in units else [units] * 2


def test_the_errors_are_those_of_the_code() -> None:
    said = {
        name: int(status)
        for status, names, _ in rows(DOCS / "apis" / "buffer.md", "Errors")
        for name in re.findall(r"`([\w.]+)`", names)
    }
    assert said == {name: meaning.status for name, meaning in ERRORS.items()}


def test_the_image_that_listens_everywhere_asks_for_keys() -> None:
    (said,) = re.findall(r"^ENV (.*)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    setting = dict(part.split("=") for part in said.split())
    assert (setting["FOREBAY_HOST"], setting["FOREBAY_FELDERA_AUTH"]) == ("0.0.0.0", "api-key")  # noqa: S104
