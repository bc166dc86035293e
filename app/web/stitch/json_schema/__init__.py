"""The part of JSON Schema (draft 04) that batches may use, compiled to closures, with the words of a Java validator.

What clients of the original have learnt to read are the texts of violations: they stand in `names.py`, `violation.py`
and with each keyword.
"""

from app.web.stitch.json_schema.compiler import Schema, compile_schema
from app.web.stitch.json_schema.effort import Effort, TooMuchWork
from app.web.stitch.json_schema.node import SchemaInvalid
from app.web.stitch.json_schema.violation import Violation

__all__ = ["Effort", "Schema", "SchemaInvalid", "TooMuchWork", "Violation", "compile_schema"]
