"""Two workers change the definitions at once, over a log that is slow and fails: each client is told the truth."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from agents.keep_definitions import TaskRunner
from app.crash import CrashPoints
from app.definitions import Definitions
from app.destinations.thread import DestinationThread
from app.errors import DefinitionRefused, LogFailed, Rejected
from app.model.change import decode_change
from app.model.conditions import Conditions
from app.model.draft import ExportChange, ExportDraft, ReceiverDraft
from app.model.task import TaskStatus
from app.streams import DEFINITIONS
from tables.receivers import Receivers
from tests.agents.bench import Bench
from tests.fakes import LOG_FAILED, Act, FakeLog, a_mapping, a_receiver, an_export, fails_after, fails_before
from tests.sim_loop import run_simulated

STORIES, CHUNKS = 200, 5
PROJECTS = (1, 2)
LIMITS = {
    "RECEIVERS_PER_PROJECT_MAX": 2,
    "EXPORTS_PER_RECEIVER_MAX": 2,
    "MAPPINGS_PER_EXPORT_MAX": 3,
    "TOKENS_PER_PROJECT_MAX": 2,
    "TASKS_UNFINISHED_PER_PROJECT_MAX": 2,
}
Outcome = Any  # what a client got: a result, DefinitionRefused or LogFailed


class Ask(NamedTuple):
    """What a client asks for, of which worker, after how many tenths of a second."""

    kind: str
    project: int
    receiver: str
    export: str
    worker: int
    tenths: int


def draft(export_id: str) -> ExportDraft:
    return ExportDraft(export_id, export_id, a_mapping(export_id), Conditions())


ASKS: dict[str, Callable[[Definitions, int, str, str], Awaitable[Any]]] = {
    "create receiver": lambda d, p, r, e: d.create_receiver(p, ReceiverDraft(r, r, "", (draft(e),))),
    "create export": lambda d, p, r, e: d.create_export(p, r, draft(e)),
    "update export": lambda d, p, r, e: d.update_export(p, r, e, ExportChange(mapping=a_mapping("new"))),
    "rename receiver": lambda d, p, r, e: d.update_receiver(p, r, name=e, description=None),
    "delete receiver": lambda d, p, r, _: d.delete_receiver(p, r),
    "delete export": lambda d, p, r, e: d.delete_export(p, r, e),
    "rotate secret": lambda d, p, r, _: d.rotate_secret(p, r, grace_s=None),
    "refresh tokens": lambda d, p, r, _: d.refresh_tokens(p, r),
    "create token": lambda d, p, r, _: d.create_token(p, r),
    "revoke token": lambda d, _p, _r, _e: d.revoke_token(next((token.id for token in d.tokens()), "none")),
}

ACTS = [*[Act()] * 20, fails_before(LOG_FAILED), fails_after(LOG_FAILED)]


def drawn_ask(dice: random.Random) -> Ask:
    return Ask(
        kind=dice.choice([*ASKS, *["create receiver", "create export", "update export"] * 4]),
        project=dice.choice([1, 1, 1, 2]),
        receiver=dice.choice("rrst"),
        export=dice.choice("wxyz"),
        worker=dice.randrange(2),
        tenths=dice.randrange(30),
    )


class RememberingLog(FakeLog):
    """Knows which client appended what."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.appended: dict[str, int] = {}

    async def append(self, records):
        offsets = await super().append(records)
        task = asyncio.current_task()
        assert task is not None
        self.appended[task.get_name()] = offsets[-1]
        return offsets


class Story:
    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.planned = [drawn_ask(dice) for _ in range(dice.randrange(5, 60))]
        self.troubles = [(dice.choice(ACTS), dice.randrange(4)) for _ in range(dice.choice([0, 10, 100]))]
        self.bench = Bench()
        self.bench.define(a_receiver("r", an_export("w")))
        self.bench.destination.act = lambda _call, mapping: (
            fails_before(Rejected("no"))
            if getattr(mapping, "table_id", None) and mapping.table_id.table == "z"
            else Act()
        )
        self.workers = [self.bench.worker(), self.bench.worker()]
        for worker in self.workers:
            worker.log = RememberingLog(self.bench.store, self.gate)
        self.definitions = [Definitions(worker.keeper, secret_grace_s=60) for worker in self.workers]

    async def gate(self, call: str, _topic: str) -> Act:
        """Each call takes a time and may fail, until the troubles are over."""
        if not self.troubles or call == "read":
            return Act()
        act, tenths = self.troubles.pop()
        await asyncio.sleep(tenths / 10)
        return act if call == "append" else Act()

    async def tell(self) -> list[Outcome]:
        doing = [asyncio.ensure_future(self.do_tasks(worker)) for worker in self.workers]
        asking = [asyncio.create_task(self.ask(one), name=str(n)) for n, one in enumerate(self.planned)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.sleep(60)
        for task in doing:
            task.cancel()
        await asyncio.gather(*(worker.keeper.catch_up() for worker in self.workers))
        for worker in self.workers:
            await worker.stop_keeping()
        return outcomes

    async def ask(self, ask: Ask) -> Any:
        await asyncio.sleep(ask.tenths / 10)
        return await ASKS[ask.kind](self.definitions[ask.worker], ask.project, ask.receiver, ask.export)

    async def do_tasks(self, worker: Any) -> None:
        """Both workers believe that the tasks are theirs."""
        runner = TaskRunner(worker.keeper, DestinationThread(self.bench.destination), CrashPoints(""))
        while True:
            runner.start_unfinished()
            await worker.keeper.reached(worker.keeper.receivers.revision + 1)

    # judging

    def refusals(self) -> tuple[Receivers, dict[int, DefinitionRefused]]:
        """What the log says, folded by somebody who was not there."""
        receivers, refused = Receivers(), {}
        for record in self.bench.store.records(DEFINITIONS):
            try:
                receivers.apply(record.offset, decode_change(record.value or b""))
            except DefinitionRefused as error:
                refused[record.offset] = error
            unfinished = Counter(task.project_id for task, _ in receivers.unfinished())
            assert all(count <= 2 for count in unfinished.values())
        return receivers, refused

    def judge(self, outcomes: list[Outcome]) -> None:
        truth, refused = self.refusals()
        for worker in self.workers:
            assert worker.keeper.receivers == truth
            assert worker.keeper._submitted == {}
            assert worker.app.crashed == []
        self.judge_rules(truth)
        appended = {name: offset for worker in self.workers for name, offset in worker.log.appended.items()}
        for number, outcome in enumerate(outcomes):
            self.judge_outcome(outcome, appended.get(str(number)), refused)

    def judge_outcome(self, outcome: Outcome, offset: int | None, refused: dict[int, DefinitionRefused]) -> None:
        if isinstance(outcome, LogFailed):
            return
        if offset is None:  # refused before it was appended
            assert isinstance(outcome, DefinitionRefused), outcome
        elif offset in refused:
            assert isinstance(outcome, DefinitionRefused), outcome
            assert (outcome.rule, str(outcome)) == (refused[offset].rule, str(refused[offset]))
        elif isinstance(outcome, DefinitionRefused):
            # It was taken, and somebody deleted the receiver before it could be shown.
            assert outcome.rule == "receiverNotFound", outcome
        else:
            assert not isinstance(outcome, BaseException), outcome

    def judge_rules(self, truth: Receivers) -> None:
        assert truth.unfinished() == []
        for project in PROJECTS:
            receivers = truth.of_project(project)
            ids = [receiver.id for receiver in receivers]
            assert ids == sorted(set(ids))
            assert len(ids) <= 2
            assert sum(token.project_id == project for token in truth.tokens.values()) <= 2
            for receiver in receivers:
                export_ids = [export.id for export in receiver.exports]
                assert export_ids == sorted(set(export_ids))
                assert len(export_ids) <= 2
                assert all(export.mapping_number <= 3 for export in receiver.exports)
                assert "z" not in export_ids  # its table was refused
        tasks = [standing.task for standing in truth._tasks.values()]
        assert all(task.status is not TaskStatus.PROCESSING for task in tasks)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_two_workers_agree_and_every_client_is_told_its_own_outcome(chunk, monkeypatch) -> None:
    for name, limit in LIMITS.items():
        monkeypatch.setattr(f"tables.receivers.{name}", limit)
    for seed in range(chunk, STORIES, CHUNKS):
        try:
            run_simulated(told_and_judged(seed))
        except AssertionError as error:
            pytest.fail(f"seed {seed}: {error}")


async def told_and_judged(seed: int) -> None:
    story = Story(seed)
    story.judge(await story.tell())
