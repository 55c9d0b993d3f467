"""Values that become a part of a script before a shell reads it: what is in them is obeyed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, assert_never

from fairlead.expressions import (
    Call,
    Comparison,
    Filter,
    Index,
    Literal,
    Logical,
    Name,
    Not,
    Operator,
    fold,
    references,
)
from fairlead.model.problem import quote
from fairlead.syntax.finding import Remark, Rule
from fairlead.syntax.warnings.scripts import scripts_of
from fairlead.syntax.warnings.texts import expressions, member, submap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.expressions import Node
    from fairlead.model.problem import Path
    from fairlead.syntax.warnings.texts import Written

_HARMLESS_CALLS: Final = frozenset({"CONTAINS", "STARTSWITH", "ENDSWITH", "HASHFILES"})
_GITHUB_OWN: Final = frozenset({"WORKFLOW", "RUN_ID", "RUN_NUMBER", "RUN_ATTEMPT", "JOB", "WORKSPACE"})
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


def script_injection(document: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[Remark]:
    """Find the scripts that somebody else's text becomes a part of, each such text once a script."""
    for job_id, job in jobs.items():
        if not isinstance(job, dict):
            continue
        for path, script, step in scripts_of(job, ("spec", "jobs", job_id)):
            told: set[tuple[str, ...]] = set()
            env = {**submap(document, "env"), **submap(job, "env"), **submap(step, "env")}
            for written in expressions(script, path):
                found = _outside(written.node, _Known(document, job, env))
                if found is not None and found not in told:
                    told.add(found)
                    yield _remark(written, found, path, step.get("shell") or job.get("shell"))


def _remark(written: Written, found: tuple[str, ...], path: Path, shell: object) -> Remark:
    shown = ".".join(found)
    whole = written.text[written.start : written.end]
    name = _NOT_IN_NAMES.sub("_", found[-1]).strip("_").upper() or "VALUE"
    if name[0].isdigit():
        name = f"_{name}"
    use = f'os.environ["{name}"]' if isinstance(shell, str) and "python" in shell else f'"${name}"'
    if fold(found[0]) == "ENV":
        way_out = f"write {use}"
    elif whole.isprintable() and '"' not in whole and len(whole) < 60:  # noqa: PLR2004  what fits on a line
        way_out = f'add env: {{{name}: "{whole}"}} and write {use}'
    else:
        way_out = f"hand it over in env and write {use}"
    said = f"{quote(shown)} becomes a part of the script, so a quote or $(…) in it is obeyed; {way_out}"
    return Remark(Rule.SCRIPT_INJECTION, path, said, span=(written.start, written.end - written.start))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the place of a script: the spec, the job, and the variables there."""

    document: Mapping[str, Any]
    job: Mapping[str, Any]
    env: Mapping[str, Any]


def _outside(node: Node, known: _Known, *, inside: bool = False) -> tuple[str, ...] | None:
    """Give the path of the first text from outside that a node's value may have in it.

    A whole map is harmless, as it becomes the word Object; `inside` of a function it may become all that it holds.
    """
    match node:
        case Literal() | Comparison() | Not():
            return None
        case Logical():
            # What `&&` passes on before its last operand is false in some way, and so no text.
            passed = node.operands[-1:] if node.operator is Operator.AND else node.operands
            return _first(passed, known, inside=inside)
        case Call():
            harmless = fold(node.name) in _HARMLESS_CALLS
            return None if harmless else _first(node.arguments, known, inside=True)
        case Index() | Filter() | Name():
            found = references(node)
            path = found[0].path if found else ()
            return path if path and _is_outside(path, known, inside=inside) else None
        case _:
            assert_never(node)


def _first(nodes: tuple[Node, ...], known: _Known, *, inside: bool) -> tuple[str, ...] | None:
    found = (_outside(each, known, inside=inside) for each in nodes)
    return next((path for path in found if path is not None), None)


def _is_outside(path: tuple[str, ...], known: _Known, *, inside: bool) -> bool:
    context, *rest = map(fold, path)
    match context:
        case "INPUTS":
            return _is_text(member(submap(known.document, "inputs"), path[1])) if rest else inside
        case "NEEDS" if rest[1:2] == ["COMBINATIONS"] and rest[-1] in ("NAME", "RESULT"):
            strategy = member(member(submap(known.document, "jobs"), path[1]), "strategy")
            return rest[-1] == "NAME" and _computed(member(strategy, "matrix"))
        case "NEEDS" | "STEPS":
            outputs = rest[1:2] in (["OUTPUTS"], ["COMBINATIONS"], ["*"])
            return (outputs and len(rest) > 2) or (inside and (outputs or len(rest) < 2))  # noqa: PLR2004  a name
        case "WORKFLOW":
            texts = rest[:1] in (["LABELS"], ["ANNOTATIONS"], ["*"])
            return (texts and len(rest) > 1) or (inside and (texts or not rest))
        case "GITHUB":
            return rest[0] not in _GITHUB_OWN if rest else inside
        case "MATRIX":
            return _computed(submap(known.job, "strategy").get("matrix"))
        case "ENV":
            value = next((known.env[name] for name in known.env if rest and fold(name) == rest[0]), None)
            bare = replace(known, env={})
            return any(_outside(each.node, bare) is not None for each in expressions(value, ("env",)))
        case _:
            return False


def _is_text(declared: object) -> bool:
    """Whether an input may be any text: numbers, true and false and choices stay what they are."""
    if isinstance(declared, dict):
        return bool(declared.get("type", "string") == "string")
    return isinstance(declared, str)


def _computed(matrix: object) -> bool:
    return any(True for _ in expressions(matrix, ("matrix",)))
