"""Numbers about a worker in Prometheus' text form. What there is, is listed in app/scrape.py."""

import asyncio
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINES_AT_ONCE_MAX = 200  # some 2 ms; then others have their turn
HEAD_LINES = 2  # HELP and TYPE


class Kind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"  # it only grows, and begins at 0 when the process does
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Spec(NamedTuple):
    """A metric: its name ends with its unit, its labels have few values."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Distribution(NamedTuple):
    """What a histogram says: (upper bound, how many up to it), and the sum of all."""

    buckets: Sequence[tuple[str, float]]
    sum: float


class Sample(NamedTuple):
    """One value of a metric; its labels are in the order of the metric's."""

    value: float | Distribution
    labels: tuple[str, ...] = ()


class _One(Collector):
    """As the library wants to be given what it writes."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        """The one family."""
        return [self._family]


def text_of(spec: Spec, samples: Sequence[Sample], *, headed: bool = True) -> bytes:
    """The metric's lines; `headed`: after those that say what it is."""
    text = generate_latest(_One(_family(spec, samples)))
    return text if headed else text.split(b"\n", HEAD_LINES)[HEAD_LINES]


async def text_in_pieces(spec: Spec, samples: Sequence[Sample]) -> bytes:
    """As `text_of`; others have their turn meanwhile."""
    pieces = []
    for begin in range(0, max(len(samples), 1), LINES_AT_ONCE_MAX):
        pieces.append(text_of(spec, samples[begin : begin + LINES_AT_ONCE_MAX], headed=not begin))
        await asyncio.sleep(0)
    return b"".join(pieces)


def text_of_process() -> bytes:
    """What the library says of every Python process: `process_…` and `python_…`."""
    return b"".join(
        generate_latest(_One(family))
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR)
        for family in collector.collect()
    )


def _family(spec: Spec, samples: Iterable[Sample]) -> Metric:
    if spec.kind is Kind.HISTOGRAM:
        return _histogram(spec, samples)
    kind = CounterMetricFamily if spec.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(spec.name, spec.help, labels=spec.labels)
    for value, labels in samples:
        assert not isinstance(value, Distribution), "only a histogram has a distribution"  # noqa: S101
        family.add_metric(labels, value)
    return family


def _histogram(spec: Spec, samples: Iterable[Sample]) -> Metric:
    family = HistogramMetricFamily(spec.name, spec.help, labels=spec.labels)
    for value, labels in samples:
        assert isinstance(value, Distribution), "a histogram has nothing else"  # noqa: S101
        family.add_metric(labels, value.buckets, value.sum)
    return family
