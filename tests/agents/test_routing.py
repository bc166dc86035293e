from agents.routing import route
from app.model.event import Pack, Replay
from app.model.receiver import Receiver
from tests.fakes import a_receiver, an_event, an_export

RECEIVERS: dict[str, Receiver] = {
    "r": a_receiver("r", an_export("x"), an_export("y")),
    "bare": a_receiver("bare"),
}


def routed(*messages, repeats=frozenset()):
    packs = [(offset, Pack(0, tuple(events))) for offset, events in enumerate(messages, start=5)]
    return route(packs, repeats, "life", 3, RECEIVERS)


def test_each_export_of_its_receiver_wants_an_event():
    found = routed([an_event("1"), an_event("2", "bare")], [an_event("3", arrival_us=9)])
    assert [one.export.uid for one in found.wanted] == ["x", "y"]
    for one in found.wanted:
        assert [event.body for _, event in one.placed] == [b"1", b"3"]
        assert [str(position) for position, _ in one.placed] == ["life/3/5/0", "life/3/6/0"]
        assert [arrived.event.body for arrived in one.arrived] == [b"1", b"3"]
    assert (found.accepted, found.unrouted, found.deduplicated) == ({"r": 2, "bare": 1}, {"bare": 1}, {})
    assert found.arrival_last_us == 9


def test_nobody_wants_a_repeat():
    found = routed([an_event("1", key="k"), an_event("2", key="k")], repeats={(5, 1)})
    assert [event.body for one in found.wanted for _, event in one.placed] == [b"1", b"1"]
    assert (found.accepted, found.deduplicated, found.unrouted) == ({"r": 2}, {"r": 1}, {})


def test_what_comes_again_is_for_one_export_and_counted_no_second_time():
    found = routed([an_event("1", only_export="y", replay=Replay("the-id", 5))])
    assert [(one.export.uid, one.arrived[0].id) for one in found.wanted] == [("y", "the-id")]
    assert (found.accepted, found.unrouted, found.deduplicated) == ({}, {}, {})


def test_what_was_deleted_meanwhile_wants_nothing():
    found = routed([an_event("1", "gone"), an_event("2", only_export="gone")])
    assert found.wanted == []
    assert (found.accepted, found.unrouted) == ({"gone": 1, "r": 1}, {"gone": 1, "r": 1})
