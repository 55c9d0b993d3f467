"""What holds for every document."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.problem import InvalidWorkflowError
from fairlead.model.workflow import Workflow
from fairlead.syntax import parse_spec
from tests.builders import a_spec

WORDS = st.sampled_from(
    [
        *("jobs", "env", "inputs", "defaults", "outputs", "steps", "commands", "needs", "requires", "image", "run"),
        *("id", "name", "timeout", "resources", "limits", "secretKeyRef", "key", "strategy", "matrix", "retry", "on"),
        *("text", "reference", "[key]", "a", "A", "build", "${{ needs.a.result }}", "${{ inputs.a", "1h", "", "\x1b["),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS, inside, max_size=4), max_leaves=20
)

VALID: dict[str, Any] = {
    "inputs": {"who": "world", "n": 1},
    "env": {"A": "${{ inputs.who }}", "TOKEN": {"secretKeyRef": {"name": "ci", "key": "token"}}},
    "defaults": {"image": "busybox", "timeout": "10m"},
    "outputs": {"v": "${{ jobs.build.outputs.v }}"},
    "jobs": {
        "build": {
            "steps": [{"id": "v", "run": "make", "env": {"B": 1}}, {"name": "b", "run": "echo ${{ env.A }}"}],
            "outputs": {"v": "${{ steps.v.outputs.v }}"},
            "resources": {"limits": {"cpu": "1"}},
        },
        "test": {"needs": ["build"], "commands": ["a", "b ${{ needs.build.outputs.v }}"]},
        "last": {"requires": "test", "commands": ["a"]},
    },
}


def parse(document: Any) -> Workflow | tuple[str, ...]:  # noqa: ANN401  a JSON document
    """Give the workflow, or what is wrong."""
    try:
        return parse_spec(document)
    except InvalidWorkflowError as error:
        return tuple(map(str, error.problems))


def places(document: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:  # noqa: ANN401  as above
    """Give the place of each value in a document."""
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    return [path, *(place for key in keys for place in places(document[key], (*path, key)))]


PLACES = [place for place in places(VALID) if place]


@st.composite
def mutations(draw: st.DrawFn) -> dict[str, Any]:
    """Give the valid document with one to three of its values replaced, removed or renamed."""
    document = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(PLACES))
        at: Any = document
        try:
            for part in parents:
                at = at[part]
            match draw(st.sampled_from(["replace", "remove", "rename"])):
                case "replace":
                    at[last] = draw(DOCUMENTS)
                case "remove":
                    del at[last]
                case _:
                    at[draw(WORDS)] = at.pop(last)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue
    return document


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Give jobs, each with what it needs, without a cycle, in any order."""
    ids = [f"j{index}" for index in range(draw(st.integers(1, 12)))]
    needs = {
        job: draw(st.lists(st.sampled_from(ids[:index]), unique=True, max_size=4)) if index else []
        for index, job in enumerate(ids)
    }
    return {job: needs[job] for job in draw(st.permutations(ids))}


def judged(document: Any) -> None:  # noqa: ANN401  a JSON document
    """Check that a document gives a workflow, or at least one problem, each of them harmless."""
    match parse(document):
        case Workflow():
            pass
        case ():
            raise AssertionError("invalid without a reason")
        case found:
            assert [each for each in found if not each.isprintable() or not each.startswith("spec")] == []


@given(st.dictionaries(WORDS, DOCUMENTS, max_size=5))
def test_any_document(document: dict[str, Any]) -> None:
    """Whatever the document, there is a workflow or a list of problems, and never another error."""
    judged(document)


@given(mutations())
def test_mutations(document: dict[str, Any]) -> None:
    """The same holds close to a valid document, and the document stays as it is."""
    before = copy.deepcopy(document)
    judged(document)
    assert repr(document) == repr(before)


def test_valid() -> None:
    """The document that is mutated is a valid one."""
    assert isinstance(parse(VALID), Workflow)


@given(graphs())
def test_order(graph: dict[str, list[str]]) -> None:
    """Every graph without a cycle is a workflow, in which each job comes after its needs."""
    spec = a_spec()
    for job, needs in graph.items():
        spec = spec.job(job, *needs)
    jobs = spec.workflow().jobs
    order = list(jobs)
    late = [(job, need) for job, plan in jobs.items() for need in plan.needs if order.index(need) > order.index(job)]
    assert (sorted(order), late) == (sorted(graph), [])


@given(graphs(), st.data())
def test_cycle(graph: dict[str, list[str]], data: st.DataObject) -> None:
    """One need too many that closes a circle is found, and the circle named in its order."""
    spec = a_spec()
    chain = data.draw(st.permutations(sorted(graph)))[: data.draw(st.integers(1, 5))]
    closed = {job: [chain[index - 1]] for index, job in enumerate(chain)}
    for job, needs in graph.items():
        spec = spec.job(job, *closed.get(job, needs))
    found = parse(spec.document())
    assert isinstance(found, tuple)
    (cycle,) = [each for each in found if ": a cycle: " in each and all(job in each for job in chain)]
    named = cycle.split(": a cycle: ")[1].split(" → ")
    assert (len(named), all(named[index + 1] == closed[job][0] for index, job in enumerate(named[:-1]))) == (
        len(chain) + 1,
        True,
    )
