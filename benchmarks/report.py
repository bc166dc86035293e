"""Rows of the table, and how they are taken: A and B in turn, the median of their ratios."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """One line. `ratio` is ours to the baseline's, the higher the better unless the line says seconds."""

    what: str
    ours: str
    baseline: str = ""
    ratio: str = ""
    aim: str = ""
    note: str = ""


@dataclass(frozen=True)
class Rates:
    """Rates of two ways, taken in turn."""

    ours: Sequence[float]
    baseline: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Ours to the baseline's, of each turn."""
        return [ours / base for ours, base in zip(self.ours, self.baseline, strict=True)]

    def row(self, what: str, unit: str, *, aim: str = "", note: str = "") -> Row:
        """The medians."""
        return Row(
            what,
            f"{median(self.ours):,.0f} {unit}",
            f"{median(self.baseline):,.0f} {unit}",
            spread(self.ratios),
            aim,
            note,
        )


def in_turn(ours: Callable[[], float], baseline: Callable[[], float], turns: int) -> Rates:
    """Take both `turns` times, each time the other first."""
    rates: list[tuple[float, float]] = []
    for turn in range(turns):
        if turn % 2:
            base = baseline()
            rates.append((ours(), base))
        else:
            own = ours()
            rates.append((own, baseline()))
    return Rates([own for own, _ in rates], [base for _, base in rates])


def spread(values: Sequence[float]) -> str:
    """The median, and the range when there are several."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{median(values):.2f} ({min(values):.2f} … {max(values):.2f})"


def cpu_s(pid: int) -> float:
    """Processor time of a process until now, all threads; not a number where /proc is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def markdown(rows: Iterable[Row]) -> str:
    """The table."""
    lines = [("measurement", "Forebay", "baseline", "ratio", "aim", "note"), *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def _cells(row: Row) -> tuple[str, ...]:
    return row.what, row.ours, row.baseline, row.ratio, row.aim, row.note
