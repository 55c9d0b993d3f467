"""Expressions of OrcaOps → those of Fairlead: `jobs.x.status` is `needs.x.result`, `and` and `or` are `&&` and `||`.

A job here runs after the success of what it needs, unless its condition asks for something else. OrcaOps asks its
condition besides: one that wants to see a failure becomes one that says everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlead.convert.rewriting import access, rewrite, rewrite_text, static_path
from fairlead.expressions import Comparison, Literal, Logical, Operator, parse, unparse
from fairlead.model.problem import quote
from fairlead.model.status_functions import CONDITION_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.expressions import Node

_WORDS: Final = re.compile(r"'(?:[^']|'')*'|(?<![\w.'-])(?:and|or|not)(?![\w.'(-])")
_OPERATORS: Final = {"and": "&&", "or": "||", "not": "!"}
_RESULTS: Final = {"success": "success", "failed": "failure", "failure": "failure", "skipped": "skipped"}
_CANCELLED: Final = "cancelled"
_TIMED_OUT: Final = "timed_out"


@dataclass(slots=True)
class Asked:
    """What the expressions of one job ask of others.

    `results`: the jobs whose result they compare; `other`: those of them that may be anything but a success. `outputs`:
    the jobs whose outputs they use. `approximated`: sentences on what differs.
    """

    results: dict[str, None] = field(default_factory=dict)
    other: dict[str, None] = field(default_factory=dict)
    outputs: dict[str, None] = field(default_factory=dict)
    approximated: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Rewriter:
    """Rewrites the expressions of one job. `variable` gives what stands for `env.NAME` where env isn't known yet."""

    variable: Callable[[str], Node]
    asked: Asked = field(default_factory=Asked)

    def condition(self, text: str) -> str:
        """Give a condition without `${{ }}`. Raises ExpressionError, and ValueError in words."""
        bare = text.strip()
        if bare.startswith("${{") and bare.endswith("}}") and bare.count("${{") == 1:
            bare = bare[3:-2].strip()
        elif "${{" in bare:
            raise ValueError("text around ${{ }} always holds; put the whole condition inside")
        words = _WORDS.sub(lambda found: _OPERATORS.get(found[0], found[0]), bare)
        node = parse(words, functions=CONDITION_FUNCTIONS)
        compared = self._comparisons(node, free=_loose(node))
        return unparse(rewrite(compared, lambda path: self._reference(path, early=True)))

    def text(self, text: str, *, early: bool = False) -> str:
        """Rewrite the `${{ }}` of a text; `early` where a job's variables aren't known yet, as in an image."""
        return rewrite_text(text, lambda path: self._reference(path, early=early))

    def _reference(self, path: tuple[str, ...], *, early: bool) -> Node | None:
        match path:
            case ("jobs", job, "status"):
                self.asked.results[job] = None
                self.asked.other[job] = None
                return access("needs", job, "result")
            case ("jobs", job, "output" | "outputs", name):
                self.asked.outputs[job] = None
                return access("needs", job, "outputs", name)
            case ("env", name) if early:
                return self.variable(name)
            case _:
                return None

    def _comparisons(self, node: Node, *, free: bool) -> Node:
        """Replace comparisons of a status, as deep as `&&` and `||` reach. `free`: not all of them have to hold."""
        match node:
            case Logical(operator, operands):
                return Logical(operator, tuple(self._comparisons(each, free=free) for each in operands), node.position)
            case Comparison(Operator.EQUAL | Operator.NOT_EQUAL, left, right):
                return self._comparison(node, left, right, free=free)
            case _:
                return node

    def _comparison(self, node: Comparison, left: Node, right: Node, *, free: bool) -> Node:
        match (static_path(left), right, static_path(right), left):
            case (("jobs", job, "status"), Literal(_, str(status)), _, _) | (
                _,
                _,
                ("jobs", job, "status"),
                Literal(_, str(status)),
            ):
                pass
            case _:
                return node
        self.asked.results[job] = None
        if free or status.casefold() != "success" or node.operator is not Operator.EQUAL:
            self.asked.other[job] = None
        return parse(self._status(job, status, node.operator))

    def _status(self, job: str, status: str, operator: Operator) -> str:
        result = unparse(access("needs", job, "result"))
        word = status.casefold()
        if word == _CANCELLED:
            negated = "!" if operator is Operator.NOT_EQUAL else ""
            return f"""{negated}contains(fromJSON('["cancelled","skipped"]'), {result})"""
        if word == _TIMED_OUT:
            self.asked.approximated.append("a job that ran out of its time is a failure here, so any failure is meant")
            return f"{result} {operator} 'failure'"
        if word not in _RESULTS:
            way_out = "ask for 'success', 'failed', 'timed_out' or 'cancelled'"
            raise ValueError(f"no job that has ended is {quote(status)}; {way_out}")
        return f"{result} {operator} '{_RESULTS[word]}'"


def _loose(node: Node) -> bool:
    """Whether the whole may hold without each of its comparisons: there is more to it than `&&`."""
    match node:
        case Comparison():
            return False
        case Logical(Operator.AND, operands):
            return any(_loose(each) for each in operands)
        case _:
            return True
