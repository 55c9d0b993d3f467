"""What a Planner remembers makes no difference to what it decides. The drill compares both, each time that it plans."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.model.ids import JobId, NodeId, SpecDigest
from fairlead.plan.neighbours import JOBS_REACHED, UNSTARTED_REACHED, Admitted, Room
from tests.plan.drill import Drill, a_job
from tests.plan.test_any_run import Trial, live, something, specs

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.plan.neighbours import Claim, Standing


@dataclass
class Narrow:
    """A cluster with room for so many Kubernetes Jobs. `jobs` counts those that there are."""

    places: int
    full: str = JOBS_REACHED
    limited: bool = False
    jobs: Callable[[], int] = field(default=lambda: 0)

    def standing(self, claim: Claim) -> Standing:
        """Let everybody in."""
        del claim
        return Admitted()

    def room(self, wanted: int, priority: int) -> Room:
        """Tell how many may start."""
        del priority
        return Room(max(0, min(wanted, self.places - self.jobs())), self.full)


def narrow(drill: Drill, places: int) -> Narrow:
    """Leave room for so many of a drill's Kubernetes Jobs."""
    made = Narrow(places, jobs=lambda: sum(map(live, drill.jobs.values())))
    drill.neighbours = made
    return made


@given(specs(), st.data())
def test_little_room(spec: dict[str, Any], data: st.DataObject) -> None:
    """Whatever happens while most nodes wait for room in the cluster, as much is decided as with no memory."""
    trial = Trial(Drill(spec))
    cluster = narrow(trial.drill, 1)
    for _ in range(data.draw(st.integers(0, 15))):
        cluster.places = data.draw(st.sampled_from([0, 1, 1, 2]))
        cluster.full = data.draw(st.sampled_from([JOBS_REACHED, JOBS_REACHED, UNSTARTED_REACHED]))
        trial.look()
        something(trial, data)
    cluster.places = 1
    trial.to_the_end()
    assert trial.wrong == []


def test_first_come() -> None:
    """Of those that wait for room the first of the workflow goes next, and the others go on waiting."""
    drill = Drill({"jobs": {name: a_job() for name in "abcd"}})
    narrow(drill, 1)
    drill.look().end("a").end("b")

    waiting = "Queued WaitingForRoom"
    assert (drill.log, drill.phases) == (
        ["start a", "start b", "start c"],
        {"a": "Succeeded", "b": "Succeeded", "c": "Queued", "d": waiting},
    )


def test_another_limit() -> None:
    """Those that wait are told of the limit that they wait for now."""
    drill = Drill({"jobs": {"a": a_job(), "b": a_job()}})
    cluster = narrow(drill, 1)
    drill.look()
    cluster.full = UNSTARTED_REACHED
    drill.look()

    assert drill.job("b").message == UNSTARTED_REACHED


def test_a_refusal_while_there_is_no_room() -> None:
    """Who waits for room and was refused for good waits no longer."""
    drill = Drill({"jobs": {"a": a_job(), "b": a_job()}})
    narrow(drill, 1)
    drill.look().refuse("b", final=True)

    assert drill.phases == {"a": "Queued", "b": "Failed JobRefused"}


@pytest.mark.parametrize("gone", ["a", "b"])
def test_what_is_gone(gone: str) -> None:
    """What somebody deleted is made again, wherever it stood among the others."""
    drill = Drill({"jobs": {name: a_job() for name in "abc"}}).look().run("a", "b", "c").lose(gone)

    assert drill.log == ["start a", "start b", "start c", f"start {gone} 2"]


def test_what_is_not_of_the_run() -> None:
    """What was made by somebody else, or for an earlier run, is told apart however it changes."""
    drill = Drill({"jobs": {"a": a_job(), "b": a_job(needs=["a"])}}).look()
    known = drill.newest("a")
    foreign = replace(known, name="foreign", node=NodeId(JobId("x")))
    drill.jobs |= {"foreign": foreign, "old": replace(known, name="old", digest=SpecDigest("another"))}
    drill.look()
    drill.jobs["foreign"] = replace(foreign, complete=True)
    drill.end("a")

    assert (drill.phases, drill.log) == ({"a": "Succeeded", "b": "Queued"}, ["start a", "delete a", "start b"])
