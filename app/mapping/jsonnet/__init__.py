"""Templates that are compiled: a large, pure part of Jsonnet, with the meaning that the interpreter gives it.

`program` is the front door. Text goes through `lexer`, `parser` and `object_parser` to the tree of `syntax`;
`expressions`, `calls`, `object_literals` and `comprehensions` check it and translate it to closures, in one pass.
"""

from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.imports import first_import
from app.mapping.jsonnet.outcomes import GaveUp, Outside, Refused
from app.mapping.jsonnet.program import Program, compile_program

__all__ = ["Computation", "GaveUp", "Outside", "Program", "Refused", "compile_program", "first_import"]
