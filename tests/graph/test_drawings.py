from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.graph.dag import Dag, dag_of, reduced
from fairlead.graph.languages import dot, mermaid
from fairlead.graph.layout import crossings, layout_of, positions
from fairlead.graph.svg import svg
from fairlead.graph.text import draw
from fairlead.plan.forecast import forecast
from tests.builders import a_resource, a_spec

if TYPE_CHECKING:
    from tests.builders import SpecBuilder

MATRIX = {"strategy": {"matrix": {"v": [1, 2]}}}
SIDES = {
    "│": "NS",
    "─": "EW",
    "╭": "ES",
    "╮": "WS",
    "╰": "NE",
    "╯": "NW",
    "├": "NES",
    "┤": "NSW",
    "┬": "ESW",
    "┴": "NEW",
    "┼": "NESW",
}
STEPS = {"N": (-1, 0, "S"), "S": (1, 0, "N"), "E": (0, 1, "W"), "W": (0, -1, "E")}


def dag(spec: SpecBuilder) -> Dag:
    """Give what is drawn of a spec."""
    return dag_of(forecast(spec.workflow(), a_resource(), list(spec.jobs)))


def lines(spec: SpecBuilder, width: int | None = None, *, plain: bool = False) -> list[str]:
    """Draw a spec as text."""
    return [line.plain for line in draw(dag(spec), width=width, plain=plain)]


DRAWN: dict[str, tuple[SpecBuilder, list[str]]] = {
    "one": (a_spec().job("a"), ["a"]),
    "a chain": (a_spec().job("a").job("b", "a").job("c", "b"), ["a ─── b ─── c"]),
    "two ways": (
        a_spec()
        .job("source")
        .job("test", "source", **MATRIX)
        .job("pack", "source")
        .job("report", "source", "test", "pack"),
        [
            "source ─┬─── test \N{MULTIPLICATION SIGN}2 ─┬─── report",
            "        ╰─── pack ────╯",
        ],
    ),
    "a long way": (
        a_spec().job("a").job("b", "a").job("c", "b").job("x").job("d", "c", "x"),
        ["a ─── b ─── c ─┬─── d", "x ─────────────╯"],
    ),
    "apart": (a_spec().job("a").job("b", "a").job("z"), ["a ─── b", "z"]),
    "crossing": (
        a_spec().job("a").job("b").job("c", "a", "b").job("d", "a", "b"),
        ["a ─┬─┬─── c", "b ─┴─┴─── d"],
    ),
    "conditions": (
        a_spec().job("a").job("b", "a", **{"if": "failure()"}).job("c", enabled=False),
        ["a ───── b ?", "c -", "", "? if its condition holds   - skipped"],
    ),
}


@pytest.mark.parametrize(("spec", "expected"), DRAWN.values(), ids=DRAWN)
def test_text(spec: SpecBuilder, expected: list[str]) -> None:
    """A graph reads from left to right; what others imply is left out."""
    assert lines(spec) == expected


def test_narrow() -> None:
    """What is too wide is listed by waves, with all needs."""
    spec = a_spec().job("a").job("b", "a").job("c", "a", "b")
    assert (lines(spec, 12), lines(spec, 12, plain=True)) == (
        ["1  a", "2  b  ← a", "3  c  ← a, b"],
        ["1  a", "2  b  <- a", "3  c  <- a, b"],
    )


@st.composite
def graphs(draw: st.DrawFn) -> SpecBuilder:
    """Draw a spec of some jobs."""
    spec = a_spec()
    names: list[str] = []
    for index in range(draw(st.integers(1, 14))):
        needs = draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
        names.append("job"[: draw(st.integers(1, 3))] + f"{index:02}")
        spec = spec.job(names[-1], *needs)
    return spec


def reached(drawn: list[str]) -> dict[str, set[str]]:
    """Follow the lines of a drawing from each label to the right; give the labels that they lead to.

    Where one line passes below another one, it goes on at the other side.
    """
    cells = {(row, column): char for row, line in enumerate(drawn) for column, char in enumerate(line)}
    labels: dict[tuple[int, int], str] = {}
    for row, line in enumerate(drawn):
        start = 0
        for word in line.replace("│", " ").split(" "):
            if word and word[0].isalpha():
                labels[row, line.index(word, start)] = word
                start = line.index(word, start) + len(word)
    ends = {(row, column - 2): name for (row, column), name in labels.items()}
    found: dict[str, set[str]] = {name: set() for name in labels.values()}
    for (row, column), name in labels.items():
        pending = [((row, column + len(name) + 1), "E")]
        seen = set()
        while pending:
            at, heading = pending.pop()
            char = cells.get(at, " ")
            if (at, heading) in seen or char not in SIDES:
                continue
            seen.add((at, heading))
            if at in ends and heading == "E":
                found[name].add(ends[at])
                continue
            below = char == "│" and heading in "EW"
            for side in heading if below else SIDES[char]:
                down, right, opposite = STEPS[side]
                if opposite != heading or below:
                    pending.append(((at[0] + down, at[1] + right), side))
    return found


@given(graphs())
def test_lines_lead_where_they_should(spec: SpecBuilder) -> None:
    """Whoever follows the lines from a job gets to each job that needs it."""
    graph = dag(spec)
    drawn = lines(spec)
    if drawn[0].startswith("1  "):
        return
    found = reached(drawn)
    missing = [(need, job) for job, needs in graph.arrows.items() for need in needs if job not in found[need]]
    assert missing == []


@given(graphs())
def test_layout(spec: SpecBuilder) -> None:
    """Each place stands in its layer, as far from the next as it has to; links go from one layer to the next."""
    layout = layout_of(dag(spec))
    at = positions(layout, lambda _, __: 1.0)
    close = [
        (one, other)
        for layer in layout.layers
        for one, other in itertools.pairwise(layer)
        if at[other] - at[one] < 1 - 1e-9
    ]
    astray = [
        start
        for start, ends in layout.after.items()
        for end in ends
        if layout.places[end].layer != layout.places[start].layer + 1
    ]
    assert (close, astray, min(at.values())) == ([], [], 0)


def test_crossings() -> None:
    """Crossings are counted, and avoided where that is possible."""
    spec = a_spec().job("a").job("b").job("c", "b").job("d", "a")
    layout = layout_of(dag(spec))
    assert (crossings([[0, 1], [2, 3]], {0: [3], 1: [2]}), crossings(layout.layers, layout.after)) == (1, 0)


def test_reduced() -> None:
    """A need that others imply is left out; the order stays."""
    needs = {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["c", "a"], "e": ["a"]}
    assert reduced(needs) == {"a": (), "b": ("a",), "c": ("b",), "d": ("c",), "e": ("a",)}


HOSTILE = "<script>\"]--> \\ & ' `"


def hostile() -> Dag:
    """Give a graph with texts that would be markup."""
    return dag(a_spec().job("end", name=HOSTILE).job("b", "end", uses=HOSTILE, **{"if": "always() || '</g>'"}))


def test_mermaid() -> None:
    """Mermaid has all needs; no text of a workflow is markup in it."""
    text = mermaid(hostile())
    assert (
        text.splitlines()[0],
        [each for each in ("<script", "\\", "`", "&") if each in text],
        "j0 --> j1" in text,
    ) == (
        "flowchart LR",
        [],
        True,
    )


def test_dot() -> None:
    """Graphviz has all needs, and texts in quotes."""
    spec = a_spec().job("a").job("b", "a").job("c", "a", "b", name='say "x\\"')
    assert dot(dag(spec), 'ci"').splitlines() == [
        'digraph "ci\\"" {',
        "  rankdir=LR",
        '  node [shape=box fontname="sans-serif" fontsize=11]',
        '  "a" [label="a" style="rounded"]',
        '  "b" [label="b" style="rounded"]',
        '  "c" [label="c\\nsay \\"x\\\\\\"" style="rounded"]',
        '  "a" -> "b"',
        '  "a" -> "c"',
        '  "b" -> "c"',
        "}",
    ]


def test_svg() -> None:
    """SVG escapes texts, needs nothing from outside, and knows light and dark."""
    text = svg(hostile(), HOSTILE)
    root = ET.fromstring(text)  # noqa: S314  our own
    names = {each.tag.rpartition("}")[2] for each in root.iter()}
    shown = [each.text for each in root.iter() if each.text and HOSTILE in each.text]
    assert (
        names & {"script", "image", "use", "a", "foreignObject"},
        bool(shown),
        "prefers-color-scheme:dark" in text,
        text.count("http"),
    ) == (set(), True, True, 1)


@given(graphs())
def test_svg_of_any_graph(spec: SpecBuilder) -> None:
    """Each job is a box with its name, inside of the picture; each arrow is drawn."""
    graph = dag(spec)
    root = ET.fromstring(svg(graph, "ci"))  # noqa: S314  our own
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [each.attrib for each in root.iter() if each.tag.endswith("rect") and each.attrib.get("class") == "b"]
    outside = [
        box
        for box in boxes
        if float(box["x"]) + float(box["width"]) > width or float(box["y"]) + float(box["height"]) > height
    ]
    arrows = [each for each in root.iter() if each.attrib.get("class") == "e"]
    assert (len(boxes), outside, len(arrows)) == (len(graph.boxes), [], sum(map(len, graph.arrows.values())))
