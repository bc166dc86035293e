"""The processor time of a process and of all that it has started."""

from pathlib import Path

from benchmarks.report import TICKS_PER_S


def family_cpu_s(pid: int) -> float:
    """Processor time of a process, of its dead children and of its living ones."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own_s = sum(map(int, fields[11:15])) / TICKS_PER_S
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return own_s + sum(family_cpu_s(int(child)) for child in children)
