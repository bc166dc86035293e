"""Templates evaluated by the Jsonnet interpreter, in processes that may die of them."""

from app.mapping.evaluated.evaluator import Evaluator

__all__ = ["Evaluator"]
