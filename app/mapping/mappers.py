"""The mappings that are in use, each made ready once."""

from collections import OrderedDict

from app.mapping.account import Account
from app.mapping.base import RowMapper
from app.mapping.columns import make_ready
from app.mapping.template import TemplateEvaluator
from app.model.export import Export

READY_MAX = 10_000


class Mappers:
    """The row mapper of an export's present mapping; the least used are made again when asked for, but none suspended.

    Each has an account of its own, so another mapping begins with nothing wasted.
    """

    def __init__(self, evaluator: TemplateEvaluator) -> None:
        self._evaluator = evaluator
        self._ready: OrderedDict[tuple[str, int], tuple[RowMapper, Account]] = OrderedDict()

    def of(self, export: Export) -> RowMapper:
        """Ready to map."""
        key = export.uid, export.mapping_number
        ready = self._ready.get(key)
        if ready is None:
            if len(self._ready) >= READY_MAX:
                self._forget_one()
            account = Account(f"export {export.uid}")
            ready = self._ready[key] = self._made_ready(export, account), account
        else:
            self._ready.move_to_end(key)
        return ready[0]

    def for_sample(self, export: Export) -> RowMapper:
        """Maps the same way, once, and not on the export's account."""
        return self._made_ready(export, Account("a sample"))

    def suspended(self) -> set[tuple[str, int]]:
        """The exports (uids) and numbers of the mappings whose templates are suspended now."""
        return {key for key, (_, account) in self._ready.items() if account.refusal is not None}

    def _forget_one(self) -> None:
        """The least used, unless its templates would get off their suspension by that."""
        for key, (_, account) in self._ready.items():
            if not account.is_suspended_of_late:
                del self._ready[key]
                return

    def _made_ready(self, export: Export, account: Account) -> RowMapper:
        return make_ready(export.mapping, self._evaluator, account)
