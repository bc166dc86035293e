"""A model of the rules by which positions, cuts, lives and loads work: everything else of the house is left out.

Whoever acts is a generator that stops wherever another may come between, die, or be put to sleep. A rule can be left
out, to see what goes wrong without it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from random import Random

RULES = {
    "a cut counts only where the last one ended": "validity",
    "after an append the log of cuts is read": "read back",
    "who lost a cut starts again from the valid end": "start anew",
    "a new owner goes on from the last cut, not from a committed offset": "position",
    "a cut lies between two messages": "whole messages",
    "a mapper waits for the revision that the door stamped": "stamp",
    "a change of the definitions closes the open slices": "close on change",
    "staged files have names never used again": "names",
    "nothing of a cut is told before it counts": "tell after",
    "a new owner tells again what valid cuts hold": "tell again",
    "an owner tells also of others' cuts": "tell others'",
    "who judges by definitions waits for the slice's revision": "wait",
    "slices below the watermark are skipped": "skip",
    "rows and watermark are one transaction": "one transaction",
    "a log that went back gets a new life": "new life",
    "a life counts only if no cut came between": "life follows",
    "no slice spans a watermark": "fence",
    "the chain goes on from a watermark that stands higher": "chain on",
}

PARTITIONS = 2
STORM_STEPS = 500
CALM_STEPS_MAX = 20_000
Steps = Generator[None, None, None]


@dataclass(frozen=True)
class Message:
    events: tuple[tuple[int, int], ...]  # event, receiver
    revision: int


@dataclass(frozen=True)
class Life:
    id: int
    base: int
    after: int | None
    cut_end: int | None


@dataclass(frozen=True)
class Slice:
    export: str
    mapping: int
    life: int
    partition: int
    previous: int | None
    end: int
    name: object
    revision: int


@dataclass(frozen=True)
class Cut:
    id: int
    life: int
    begin: int
    end: int
    slices: tuple[Slice, ...]
    dead: tuple[tuple[str, int], ...]
    accepted: int


@dataclass
class Fold:
    """What counts of a log of cuts."""

    end: int | None = None
    lives: list[Life] = field(default_factory=list)
    chains: dict[tuple[str, int], int] = field(default_factory=dict)
    valid: list[Cut] = field(default_factory=list)

    @property
    def life(self) -> int | None:
        return self.lives[-1].id if self.lives else None

    def life_at(self, offset: int) -> int:
        return next(life.id for life in reversed(self.lives) if life.base <= offset)


@dataclass
class Log:
    """All that an older copy takes back."""

    definitions: list[dict[str, tuple[int, int]]]  # by revision: export → receiver, number of its mapping
    events: list[list[Message]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    cuts: list[list[Life | Cut]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    slices: list[Slice] = field(default_factory=list)
    files: list[tuple[Slice, ...]] = field(default_factory=list)

    def copy(self) -> "Log":
        return Log(
            list(self.definitions),
            [list(one) for one in self.events],
            [list(one) for one in self.cuts],
            list(self.slices),
            list(self.files),
        )


class Model:
    def __init__(self, seed: int, without: str = "") -> None:
        self.random = Random(seed)
        self.without = without
        self.log = Log([{"x0": (0, 1)}])
        self.staging: dict[object, tuple[tuple[str, int, int], ...]] = {}
        self.marks: dict[tuple[str, int, int], int] = {}
        self.rows: Counter[tuple[str, int]] = Counter()
        self.wrong: set[str] = set()
        self.ids = count()
        self.calm = False
        self.copied: Log | None = None
        self.may_put_back = self.random.random() < 0.4
        self.was_put_back = False
        self.doors = [False] * PARTITIONS
        self.committed = [0] * PARTITIONS
        self.exports_made = 1
        self.actors: list[Steps] = []

    def rule(self, name: str) -> bool:
        return name != self.without

    def luck(self, chance: float) -> bool:
        return not self.calm and self.random.random() < chance

    # running

    def run(self) -> set[str]:
        for _ in range(STORM_STEPS):
            if self.random.random() < 0.2:
                self._happen()
            elif self.actors:
                actor = self.random.choice(self.actors)
                for _ in range(self.random.choice([1, 1, 1, 20])):  # while one runs, the others sleep
                    if actor in self.actors:
                        self._step(actor)
        self.calm = True
        self.actors = self._everybody()
        for _ in range(CALM_STEPS_MAX // 50):
            for _ in range(50):
                self._step(self.random.choice(self.actors))
            if self._at_rest():
                break
        else:
            self.wrong.add("stuck")
        self._judge()
        return self.wrong

    def _step(self, actor: Steps) -> None:
        next(actor)
        if self.luck(0.004):
            self.actors.remove(actor)

    def _everybody(self) -> list[Steps]:
        mappers = [Mapper(self, partition).steps() for partition in range(PARTITIONS)]
        return [*mappers, Buffers(self).steps(), *(Loader(self, export).steps() for export in self._exports())]

    def _exports(self) -> list[str]:
        return sorted(self.log.definitions[-1])

    def _happen(self) -> None:
        acts: list[tuple[float, Callable[[], None]]] = [(6, self._accept), (1, self._define), (3, self._new_actor)]
        if self.may_put_back:
            acts.append((0.6, self._copy_or_put_back))
        self.random.choices([act for _, act in acts], [weight for weight, _ in acts])[0]()

    def _accept(self) -> None:
        partition = self.random.randrange(PARTITIONS)
        if self.doors[partition]:
            revision = max(0, len(self.log.definitions) - 1 - self.random.choice([0, 0, 1]))
            events = tuple((next(self.ids), self.random.randrange(2)) for _ in range(self.random.randint(1, 3)))
            self.log.events[partition].append(Message(events, revision))

    def _define(self) -> None:
        exports = dict(self.log.definitions[-1])
        if self.random.random() < 0.5:
            export = self.random.choice(sorted(exports))
            receiver, mapping = exports[export]
            exports[export] = receiver, mapping + 1
        elif len(exports) < 4:
            exports[f"x{self.exports_made}"] = self.exports_made % 2, 1
            self.exports_made += 1
        self.log.definitions.append(exports)

    def _new_actor(self) -> None:
        """Another owner; the former one is not told, and goes on until it dies."""
        if len(self.actors) > 10:
            self.actors.pop(self.random.randrange(5))
        self.actors.append(
            self.random.choice(
                [
                    lambda: Mapper(self, self.random.randrange(PARTITIONS)).steps(),
                    lambda: Buffers(self).steps(),
                    lambda: Loader(self, self.random.choice(self._exports())).steps(),
                ]
            )()
        )

    def _copy_or_put_back(self) -> None:
        ends = [self.fold(partition).end or 0 for partition in range(PARTITIONS)]
        if self.copied is None:
            if all(self.doors) and any(len(self.log.events[n]) > ends[n] + 1 for n in range(PARTITIONS)):
                self.copied, self.copied_ends = self.log.copy(), ends
        elif not self.was_put_back and any(end > self.copied_ends[key[2]] for key, end in self.marks.items()):
            self.log, self.was_put_back = self.copied, True
            self.actors.clear()
            self.doors = [False] * PARTITIONS
            self.committed = [min(self.committed[n], self.copied_ends[n]) for n in range(PARTITIONS)]

    # what the log says

    def fold(self, partition: int) -> Fold:
        fold = Fold()
        for record in self.log.cuts[partition]:
            if isinstance(record, Life):
                follows = record.cut_end == fold.end or not self.rule("life follows")
                if record.after == fold.life and follows:
                    fold.lives.append(record)
                    fold.end = record.base if fold.end is None else min(fold.end, record.base)
            elif not self.rule("validity") or (
                record.begin == fold.end and (record.life == fold.life or not self.rule("life follows"))
            ):
                fold.valid.append(record)
                fold.end = record.end
                for part in record.slices:
                    fold.chains[part.export, part.life] = part.end
        return fold

    def watermarks(self, partition: int) -> dict[tuple[str, int], int] | None:
        """None: the destination is away. (Not where a log is put back: then nobody could know where it stands.)"""
        if not self.may_put_back and self.luck(0.15):
            return None
        return {(export, life): end for (export, life, at), end in self.marks.items() if at == partition}

    # judging

    def _at_rest(self) -> bool:
        folds = [self.fold(partition) for partition in range(PARTITIONS)]
        if any((fold.end or 0) < len(self.log.events[n]) for n, fold in enumerate(folds)):
            return False
        parts = [part for fold in folds for cut in fold.valid for part in cut.slices]
        return all(self.marks.get((part.export, part.life, part.partition), -1) >= part.end for part in parts)

    def _judge(self) -> None:
        cuts = [cut for partition in range(PARTITIONS) for cut in self.fold(partition).valid]
        dead = Counter(pair for cut in cuts for pair in cut.dead)
        for pair, times in (self.rows + dead).items():
            if times > 1:
                self.wrong.add("loaded and dead" if self.rows[pair] and dead[pair] else "doubled")
        messages = [message for partition in self.log.events for message in partition]
        for message in messages:
            for export, (receiver, _) in self.log.definitions[message.revision].items():
                for event, its_receiver in message.events:
                    if its_receiver == receiver and not self.rows[export, event] + dead[export, event]:
                        self.wrong.add("lost")
        if sum(cut.accepted for cut in cuts) != sum(len(message.events) for message in messages):
            self.wrong.add("ledger")


class Mapper:
    """An owner of a partition of the events."""

    def __init__(self, model: Model, partition: int) -> None:
        self.model = model
        self.partition = partition
        self.revision = len(model.log.definitions) - 1
        self.told = 0

    def steps(self) -> Steps:
        model, log = self.model, self.model.log
        self.fold = model.fold(self.partition)
        yield
        marks = model.watermarks(self.partition)
        yield from self._begin_life(marks)
        self.marks = marks or {}
        model.doors[self.partition] = True
        if model.rule("tell again"):
            yield from self._tell()
        self.told = len(self.fold.valid)
        self._start_anew()
        if not model.rule("position"):
            self.position = max(self.position, model.committed[self.partition])
        while True:
            yield
            if self.revision < len(log.definitions) - 1 and model.random.random() < 0.2:
                counts = True
                if model.rule("close on change"):
                    counts = yield from self._cut()
                if counts:
                    self.revision += 1
            elif self.position < len(log.events[self.partition]) and model.random.random() < 0.7:
                if self.position in self._borders() and self.position > (self.fold.end or 0):
                    yield from self._cut()
                else:
                    self._map(log.events[self.partition][self.position])
            else:
                yield from self._cut()

    def _begin_life(self, marks: dict[tuple[str, int], int] | None) -> Steps:
        model = self.model
        while True:
            end, last = len(model.log.events[self.partition]), self.fold.life
            known = max([at for (_, life), at in (marks or {}).items() if life == last] + [self.fold.end or 0])
            if last is None:
                life = Life(next(model.ids), 0, None, None)
            elif marks is None or (known > end and model.rule("new life")):
                life = Life(next(model.ids), end, last, self.fold.end)
            else:
                return
            yield
            model.log.cuts[self.partition].append(life)
            self.fold = model.fold(self.partition)
            if self.fold.life == life.id:
                return

    def _borders(self) -> set[int]:
        lives = {life.id for life in self.fold.lives}
        fences = {end for (_, life), end in self.marks.items() if life in lives} if self.model.rule("fence") else set()
        return fences | {life.base for life in self.fold.lives}

    def _start_anew(self) -> None:
        self.position = self.fold.end or 0
        self.done = 0  # events of the message at the position
        self.open: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
        self.dead: list[tuple[str, int]] = []
        self.accepted = 0

    def _map(self, message: Message) -> None:
        model = self.model
        if model.rule("stamp") and message.revision > self.revision:
            return
        exports = model.log.definitions[self.revision]
        events = message.events[self.done :]
        if not model.rule("whole messages") and model.luck(0.3):
            events = events[: model.random.randrange(len(events) + 1)]
        for event, its_receiver in events:
            self.accepted += 1
            for export, (receiver, mapping) in exports.items():
                if receiver == its_receiver:
                    # What fails now need not fail when it is mapped again, unless an older log may be put back.
                    fails = event % 7 == 0 if model.may_put_back else model.luck(0.15)
                    if fails:
                        self.dead.append((export, event))
                    else:
                        self.open[export].append((export, event, mapping))
        self.position += 1

    def _cut(self) -> Generator[None, None, bool]:
        """Whether what is open counts now; if not, it has been thrown away."""
        model, begin = self.model, self.fold.end or 0
        if self.position <= begin:
            return True
        slices = tuple(self._staged(export, begin) for export in self.open)
        cut = Cut(next(model.ids), self.fold.life or 0, begin, self.position, slices, tuple(self.dead), self.accepted)
        yield
        if not model.rule("tell after"):
            model.log.slices.extend(slices)
        model.log.cuts[self.partition].append(cut)
        yield
        lost_answer = model.luck(0.05)
        before, self.fold = self.fold, model.fold(self.partition)
        counts = bool(self.fold.valid) and any(cut is one for one in self.fold.valid[len(before.valid) :])
        last = counts and self.fold.valid[-1] is cut
        if not model.rule("read back"):
            counts = last = True
        if lost_answer:
            yield
        model.committed[self.partition] = max(model.committed[self.partition], cut.end)
        if model.rule("tell others'"):
            yield from self._tell()
        elif counts:
            yield
            model.log.slices.extend(cut.slices)
        self.told = len(self.fold.valid)
        position = self.position
        self._start_anew()
        if not last and not model.rule("start anew"):
            self.position = max(position, self.position)
        if not model.rule("read back"):
            self.position = position
            self.fold.end = position
        return last

    def _staged(self, export: str, begin: int) -> Slice:
        model, rows = self.model, tuple(self.open[export])
        name: object = next(model.ids) if model.rule("names") else (export, self.partition, begin)
        model.staging[name] = rows
        life = self.fold.life_at(begin)
        previous = self.fold.chains.get((export, life))
        mark = self.marks.get((export, life), -1)
        if model.rule("chain on") and begin >= mark > (-1 if previous is None else previous):
            previous = mark
        mapping = rows[0][2]
        return Slice(export, mapping, life, self.partition, previous, self.position, name, self.revision)

    def _tell(self) -> Steps:
        for cut in self.fold.valid[self.told :]:
            yield
            self.model.log.slices.extend(cut.slices)


class Buffers:
    """An owner of the log of slices."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.revision = len(model.log.definitions) - 1
        self.taken: dict[tuple[str, int, int], int] = {}
        self.buffered: dict[str, list[Slice]] = defaultdict(list)

    def steps(self) -> Steps:
        model, log, at = self.model, self.model.log, 0
        if model.random.random() < 0.7:  # else the destination is away
            self.taken.update(model.marks)
        for file in log.files:
            for part in file:
                _take(self.taken, part)
        while True:
            yield
            if at < len(log.slices):
                part, at = log.slices[at], at + 1
                yield from self._hear(part)
            for export in [export for export, parts in self.buffered.items() if parts]:
                if model.random.random() < 0.3:
                    yield from self._close(export)

    def _hear(self, part: Slice) -> Steps:
        model, definitions = self.model, self.model.log.definitions
        if model.rule("wait"):
            self.revision = max(self.revision, part.revision)
        elif self.revision < len(definitions) - 1 and model.luck(0.3):
            self.revision += 1
        if part.export in definitions[self.revision] and _take(self.taken, part):
            waiting = self.buffered[part.export]
            if waiting and waiting[0].mapping != part.mapping:
                yield from self._close(part.export)
            self.buffered[part.export].append(part)

    def _close(self, export: str) -> Steps:
        yield
        self.model.log.files.append(tuple(self.buffered.pop(export)))


def _take(taken: dict[tuple[str, int, int], int], part: Slice) -> bool:
    chain = part.export, part.life, part.partition
    new = part.end > taken.get(chain, -1)
    if new:
        taken[chain] = part.end
    return new


class Loader:
    """Loads the files of one export, in their order; one that cannot be loaded is tried for ever."""

    def __init__(self, model: Model, export: str) -> None:
        self.model = model
        self.export = export

    def steps(self) -> Steps:
        log, at = self.model.log, 0
        while True:
            yield
            if at < len(log.files):
                file = log.files[at]
                if file[0].export == self.export:
                    while not (yield from self._load(file)):
                        yield
                at += 1

    def _load(self, file: tuple[Slice, ...]) -> Generator[None, None, bool]:
        model, moved, rows = self.model, {}, []
        for part in file:
            chain = part.export, part.life, part.partition
            stands_at = moved.get(chain, model.marks.get(chain))
            if model.rule("skip"):
                if stands_at is not None and stands_at >= part.end:
                    continue
                if stands_at != part.previous:
                    return False
            if part.name not in model.staging:
                return False
            staged = model.staging[part.name]
            if any(mapping != part.mapping for _, _, mapping in staged):
                model.wrong.add("another mapping's rows")
            rows += [(export, event) for export, event, _ in staged]
            moved[chain] = part.end
        model.rows.update(rows)
        if not model.rule("one transaction"):
            yield
        model.marks.update(moved)
        yield
        if model.rule("skip"):
            for part in file:
                model.staging.pop(part.name, None)
        return True
