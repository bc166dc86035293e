"""The mappings that are in use, each made ready once."""

import asyncio
from collections import OrderedDict

from app.mapping.account import Account
from app.mapping.accounts import Accounts
from app.mapping.base import RowMapper
from app.mapping.columns import make_ready
from app.mapping.template import TemplateEvaluator
from app.mapping.watchdog import Watchdog
from app.model.export import Export

READY_MAX = 10_000
SAMPLED_MAX = 256  # mappings that were tried last

Key = tuple[str, int]
Ready = OrderedDict[Key, tuple[RowMapper, Account]]


class Mappers:
    """The row mapper of an export's present mapping; the least used are made again when asked for, but none suspended.

    Each has an account of its own, so another mapping begins with nothing wasted by itself (see `Accounts`). Compiled
    templates are watched over.
    """

    def __init__(self, evaluator: TemplateEvaluator, watchdog: Watchdog | None = None) -> None:
        self._evaluator = evaluator
        self._watchdog = watchdog
        self._gate = asyncio.Lock()
        self._ready: Ready = OrderedDict()
        self._sampled: Ready = OrderedDict()
        self._accounts = Accounts("events of")
        self._sample_accounts = Accounts("samples for")

    def of(self, export: Export) -> RowMapper:
        """Ready to map."""
        return self._made_ready(self._ready, READY_MAX, export, self._accounts)

    def for_sample(self, export: Export) -> RowMapper:
        """Maps the same way, on an account for samples: what they waste suspends no events, but further samples."""
        return self._made_ready(self._sampled, SAMPLED_MAX, export, self._sample_accounts)

    def suspended(self) -> set[Key]:
        """The exports (uids) and numbers of the mappings whose templates are suspended now."""
        return {key for key, (_, account) in self._ready.items() if account.refusal is not None}

    def _made_ready(self, mappers: Ready, most: int, export: Export, accounts: Accounts) -> RowMapper:
        key = export.uid, export.mapping_number
        ready = mappers.get(key)
        if ready is None:
            if len(mappers) >= most:
                _forget_one(mappers)
            account = accounts.open(export)
            ready = mappers[key] = self._mapper(export, account), account
        else:
            mappers.move_to_end(key)
        return ready[0]

    def _mapper(self, export: Export, account: Account) -> RowMapper:
        key, watchdog = (export.uid, export.mapping_number), self._watchdog
        if watchdog is None:
            return make_ready(export.mapping, self._evaluator, account, gate=self._gate)
        compiles = not watchdog.evaluates(*key)
        return make_ready(export.mapping, self._evaluator, account, watchdog.watch(*key), self._gate, compiles=compiles)


def _forget_one(mappers: Ready) -> None:
    """The least used, unless its templates would get off their suspension by that."""
    for key, (_, account) in mappers.items():
        if not account.is_suspended_of_late:
            del mappers[key]
            return
