import asyncio

from prometheus_client.parser import text_string_to_metric_families

from app.metrics import LINES_AT_ONCE_MAX, Kind, Sample, Spec, text_in_pieces, text_of, text_of_process
from app.tallies import Timings

MANY = Spec("forebay_many", Kind.GAUGE, "many", ("number",))


def families(text: bytes):
    return list(text_string_to_metric_families(text.decode()))


async def test_what_is_written_in_pieces_is_one_family_and_others_have_their_turn():
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count_turns())
    samples = [Sample(number, (f"{number}",)) for number in range(2 * LINES_AT_ONCE_MAX + 1)]
    text = await text_in_pieces(MANY, samples)
    other.cancel()
    (family,) = families(text)
    assert [(one.labels, one.value) for one in family.samples] == [({"number": f"{n}"}, n) for n, _ in samples]
    assert text.count(b"# TYPE") == 1
    assert turns >= 3


def test_labels_are_escaped_whatever_stands_in_them():
    wild = 'a"b\\c\nd}\u00e9'
    (family,) = families(text_of(MANY, [Sample(1, (wild,))]))
    assert family.samples[0].labels == {"number": wild}


async def test_a_metric_without_samples_says_what_it_is():
    (family,) = families(await text_in_pieces(MANY, []))
    assert (family.name, family.type, family.samples) == ("forebay_many", "gauge", [])


def test_a_histogram_counts_each_time_in_all_buckets_that_hold_it():
    timings = Timings((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        timings.add(seconds)
    spec = Spec("forebay_took_seconds", Kind.HISTOGRAM, "took")
    (family,) = families(text_of(spec, [Sample(timings.distribution())]))
    values = {
        (one.name.removeprefix("forebay_took_seconds_"), one.labels.get("le")): one.value for one in family.samples
    }
    assert values == {
        ("bucket", "0.1"): 2,
        ("bucket", "1.0"): 3,
        ("bucket", "+Inf"): 4,
        ("count", None): 4,
        ("sum", None): 7.65,
    }


def test_the_process_is_described_by_the_library():
    assert {"process_resident_memory_bytes", "process_open_fds"} <= {one.name for one in families(text_of_process())}
