"""The mappings that are in use, each made ready once."""

from collections import OrderedDict

from app.mapping.account import Account
from app.mapping.base import RowMapper
from app.mapping.columns import compile_mapping
from app.mapping.template import TemplateEvaluator
from app.model.export import Export

READY_MAX = 10_000


class Mappers:
    """The row mapper of an export's present mapping; the least used are made again when asked for.

    Each has an account of its own, so another mapping begins with nothing wasted.
    """

    def __init__(self, evaluator: TemplateEvaluator) -> None:
        self._evaluator = evaluator
        self._ready: OrderedDict[tuple[str, int], RowMapper] = OrderedDict()

    def of(self, export: Export) -> RowMapper:
        """Ready to map."""
        key = export.uid, export.mapping_number
        mapper = self._ready.get(key)
        if mapper is None:
            mapper = self._ready[key] = self._compiled(export, f"export {export.uid}")
            if len(self._ready) > READY_MAX:
                self._ready.popitem(last=False)
        else:
            self._ready.move_to_end(key)
        return mapper

    def for_sample(self, export: Export) -> RowMapper:
        """Maps the same way, once, and not on the export's account."""
        return self._compiled(export, "a sample")

    def _compiled(self, export: Export, account: str) -> RowMapper:
        return compile_mapping(export.mapping, self._evaluator, Account(account))
