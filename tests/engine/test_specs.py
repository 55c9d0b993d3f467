from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fairlead.engine.records import WorkflowRecord
from fairlead.engine.specs import Specs
from fairlead.model.ids import WorkflowKey
from fairlead.model.problem import InvalidWorkflowError
from tests.builders import NOW, a_resource, a_spec, at

if TYPE_CHECKING:
    from collections.abc import Mapping


def a_record(name: str, spec: Mapping[str, Any], generation: int = 1) -> WorkflowRecord:
    """Give a Workflow with a spec."""
    resource = replace(a_resource(generation=generation), key=WorkflowKey("team", name))
    return WorkflowRecord(resource, spec, {}, 1)


def test_each_generation_is_parsed_once() -> None:
    """What was parsed is given again, with the moment of the first time, until there is another generation."""
    moments = iter((at(0), at(1)))
    specs = Specs(lambda: next(moments))
    first = specs.of(a_record("ci", a_spec().job("a").document()))
    again = specs.of(a_record("ci", a_spec().job("a").document()))
    other = specs.of(a_record("ci", a_spec().job("b").document(), generation=2))
    assert again is first
    assert [(each.at, list(getattr(each.workflow, "jobs", ()))) for each in (first, other)] == [
        (at(0), ["a"]),
        (at(1), ["b"]),
    ]


def test_what_is_the_same_is_shared() -> None:
    """Workflows with the same spec share what it is parsed to; those in another order of jobs don't."""
    specs = Specs(lambda: NOW)
    one, two, turned = (
        specs.of(a_record(f"ci-{number}", spec.document())).workflow
        for number, spec in enumerate(
            (a_spec().job("a").job("b"), a_spec().job("a").job("b"), a_spec().job("b").job("a"))
        )
    )
    assert (one is two, one is turned) == (True, False)


def test_a_wrong_spec_is_told_as_often_as_it_is_asked_for() -> None:
    """What is wrong with a spec is remembered as well as the spec."""
    specs = Specs(lambda: NOW)
    found = [specs.of(a_record("ci", {"jobs": {}})).workflow for _ in range(2)]
    assert isinstance(found[0], InvalidWorkflowError)
    assert found[0] is found[1]


def test_what_is_gone_is_forgotten() -> None:
    """A workflow that was deleted is new when it is made again."""
    specs = Specs(lambda: NOW)
    record = a_record("ci", a_spec().job("a").document())
    specs.of(record)
    known = (record.resource.key in specs, specs.knows(record))
    specs.forget(record.resource.key)
    assert (known, record.resource.key in specs, specs.knows(record)) == ((True, True), False, False)


def test_what_no_json_can_be_is_parsed_for_itself() -> None:
    """A spec that can't be told from others by its JSON is read all the same."""
    spec = {**a_spec().job("a").document(), "labels": {1, 2}}
    assert isinstance(Specs(lambda: NOW).of(a_record("ci", spec)).workflow, InvalidWorkflowError)
