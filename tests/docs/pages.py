"""The pages of the documentation, as the tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return [text for found, text in _FENCE.findall(page.read_text()) if found == language]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of all links."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What may stand behind `#` in a link to the page."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))}


def rows(page: Path, section: str) -> list[list[str]]:
    """The cells of the tables in a section (by its heading), without their heads."""
    text = prose(page)
    start = text.index(f"## {section}\n")
    end = text.find("\n## ", start)
    lines = [line for line in text[start : None if end < 0 else end].splitlines() if line.startswith("|")]
    assert lines, f"{page.name}: no table in {section}"
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    heads = {at - 1 for at, line in enumerate(lines) if set(line) <= set("|-: ")}
    return [row for at, row in enumerate(cells) if at not in heads and at - 1 not in heads]
