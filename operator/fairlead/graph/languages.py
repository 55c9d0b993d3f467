"""A graph in the languages of Mermaid and Graphviz; all needs, as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairlead.model.problem import one_line
from fairlead.plan.forecast import Outlook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairlead.graph.dag import Box, Dag

_MERMAID_SHAPES: Final = {"check": ("{{", "}}"), "uses": ("[[", "]]")}
_DOT_STYLES: Final = {
    Outlook.RUNS: "rounded",
    Outlook.DEPENDS: "rounded,dashed",
    Outlook.SKIPPED: "rounded,dotted",
}


def mermaid(dag: Dag) -> str:
    """Write a flowchart: https://mermaid.js.org/syntax/flowchart.html. Ids are numbers, as jobs may be called `end`."""
    number = {box.id: f"j{index}" for index, box in enumerate(dag.boxes)}

    def lines() -> Iterator[str]:
        yield "flowchart LR"
        for box in dag.boxes:
            opening, closing = _MERMAID_SHAPES.get(box.kind.partition(" ")[0], ("[", "]"))
            yield f'  {number[box.id]}{opening}"{"<br>".join(map(_entity, _label(box)))}"{closing}'
        for job, needs in dag.needs.items():
            for need in needs:
                yield f"  {number[need]} --> {number[job]}"
        for outlook, style in ((Outlook.DEPENDS, "stroke-dasharray:5 4"), (Outlook.SKIPPED, "opacity:0.5")):
            ids = [number[box.id] for box in dag.boxes if box.outlook is outlook]
            if ids:
                yield f"  classDef {outlook} {style}"
                yield f"  class {','.join(ids)} {outlook}"

    return "\n".join(lines())


def dot(dag: Dag, name: str) -> str:
    """Write a digraph: https://graphviz.org/doc/info/lang.html."""

    def lines() -> Iterator[str]:
        yield f"digraph {_quoted(one_line(name))} {{"
        yield "  rankdir=LR"
        yield '  node [shape=box fontname="sans-serif" fontsize=11]'
        for box in dag.boxes:
            yield f'  {_quoted(box.id)} [label={_quoted(*_label(box))} style="{_DOT_STYLES[box.outlook]}"]'
        for job, needs in dag.needs.items():
            for need in needs:
                yield f"  {_quoted(need)} -> {_quoted(job)}"
        yield "}"

    return "\n".join(lines())


def _label(box: Box) -> tuple[str, ...]:
    first = f"{box.id} {box.times}".strip()
    return tuple(filter(None, (first, box.name if box.name != box.id else "", box.kind)))


def _entity(text: str) -> str:
    """Write a text so that nothing of it is markup: Mermaid's entities begin with # instead of &."""
    return "".join(each if each.isalnum() or each in " -_.,:×?()/" else f"#{ord(each)};" for each in text)  # noqa: RUF001


def _quoted(*lines: str) -> str:
    """Write a string of Graphviz's, in which only quotes and backslashes mean something."""
    escaped = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return f'"{escaped}"'
