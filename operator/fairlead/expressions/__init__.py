"""The `${{ }}` expression language of GitHub Actions.

    source ─ lexer ─ parser ─→ tree (nodes) ─→ evaluator ─→ value
                                    ├─→ simplify: what is known already, decided
                                    ├─→ references: what it uses
                                    └─→ unparse: its source again

Standard library only, no `eval`, no I/O; every input gives a value or an ExpressionError, in time and
memory that limits.py bounds. The behaviour is that of actions/runner, held by tests/conformance.
"""

from .errors import ErrorKind, EvaluationError, ExpressionError, LexingError, ParsingError
from .evaluator import Evaluator, evaluate
from .functions import BUILTINS, Function, Functions
from .limits import count, count_again, counted, counted_together
from .nodes import Call, Comparison, Filter, Index, Literal, Logical, Name, Node, Not, Operator
from .parser import parse
from .partial import simplify
from .references import ANY, Reference, calls, references
from .template import Expression, Template, Text, evaluate_template, interpolate, parse_template
from .unparse import unparse
from .values import Kind, equal, fold, kind_of, to_number, to_text, truthy

__all__ = [
    "ANY",
    "BUILTINS",
    "Call",
    "Comparison",
    "ErrorKind",
    "EvaluationError",
    "Evaluator",
    "Expression",
    "ExpressionError",
    "Filter",
    "Function",
    "Functions",
    "Index",
    "Kind",
    "LexingError",
    "Literal",
    "Logical",
    "Name",
    "Node",
    "Not",
    "Operator",
    "ParsingError",
    "Reference",
    "Template",
    "Text",
    "calls",
    "count",
    "count_again",
    "counted",
    "counted_together",
    "equal",
    "evaluate",
    "evaluate_template",
    "fold",
    "interpolate",
    "kind_of",
    "parse",
    "parse_template",
    "references",
    "simplify",
    "to_number",
    "to_text",
    "truthy",
    "unparse",
]
