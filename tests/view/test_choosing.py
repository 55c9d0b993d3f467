from __future__ import annotations

from typing import Any

import pytest

from fairlead.engine.runs import Log, NotFoundError
from fairlead.model.ids import Attempt, RunNumber
from fairlead.model.status import CombinationStatus
from fairlead.view.choosing import Choice, missing
from tests.builders import NOW, a_run, a_step, node_of, running, succeeded
from tests.view.recorded import found_of

RAN: Any = {"started_at": NOW, "kubernetes_job": "x", "attempt": Attempt(1)}
COMBINATIONS = tuple(
    CombinationStatus(name=f"test ({value})", **RAN, steps=(a_step("Run it", step_id="go"),)) for value in ("a", "b")
)
STATUS = (
    a_run(run=3)
    .with_job("test", succeeded(**(RAN | {"attempt": 1}), combinations=COMBINATIONS))
    .with_job("build", running(2, kubernetes_job="x"))
    .with_job("kept", succeeded(**(RAN | {"attempt": 1}), kept_from=RunNumber(2)))
    .status()
)
SPEC = {"jobs": {"build": {"steps": [{"id": "make", "name": "Make it"}]}, "test": {"needs": "build"}, "late": {}}}
FOUND = found_of(STATUS, SPEC)


def log(job: str, combination: int | None = None, *, run: int = 3, attempt: int = 1, service: str | None = None) -> Log:
    """Name a log."""
    return Log(node_of(job, combination), Attempt(attempt), RunNumber(run), "x", service)


BUILD, AGAIN, DB = log("build"), log("build", attempt=2), log("build", attempt=2, service="db")
A, B, KEPT, OLD = log("test", 0), log("test", 1), log("kept", run=2), log("test", 1, run=2)
LOGS = [OLD, KEPT, A, B, BUILD, AGAIN, DB]

CHOSEN: dict[str, tuple[Choice, list[Log]]] = {
    "all": (Choice(), [AGAIN, KEPT, A, B]),
    "a job": (Choice("build"), [AGAIN]),
    "an attempt": (Choice("build", attempt=1), [BUILD]),
    "a service": (Choice("build", service="db"), [DB]),
    "a matrix": (Choice("test"), [A, B]),
    "a combination by number": (Choice("test/1"), [B]),
    "by name": (Choice("test/test (a)"), [A]),
    "by values": (Choice("test/b"), [B]),
    "what was kept": (Choice("kept"), [KEPT]),
    "a run": (Choice(run=2), [KEPT, OLD]),
    "a combination of a run": (Choice("test/1", run=2), [OLD]),
    "a job that has not begun": (Choice("late"), []),
}


@pytest.mark.parametrize(("choice", "chosen"), CHOSEN.values(), ids=CHOSEN)
def test_chosen(choice: Choice, chosen: list[Log]) -> None:
    """Of what is there the newest is chosen, where nothing else was asked for; each job after its needs."""
    assert sorted(choice.of(FOUND, LOGS)) == sorted(chosen)


REFUSED: dict[str, tuple[Choice, str]] = {
    "a job": (Choice("tset"), 'ci has no job "tset"; did you mean "test"?'),
    "a combination": (Choice("test/9"), 'the job "test" has no combination "9"; there are test (a), test (b)'),
    "a service": (Choice("build", service="dbs"), 'there is no service "dbs"; did you mean "db"?'),
}


@pytest.mark.parametrize(("choice", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(choice: Choice, said: str) -> None:
    """What was never there is named, with what was probably meant."""
    with pytest.raises(NotFoundError) as caught:
        choice.of(FOUND, LOGS)
    assert str(caught.value) == said


def test_step() -> None:
    """A step is found by its id or name, also while the status doesn't have it; one that isn't there is named."""
    shown = Choice().shown(FOUND, A)
    labels = [Choice("test", step).label(FOUND, shown) for step in ("go", "Run it")]
    meanwhile = Choice("build", "make").label(FOUND, Choice().shown(FOUND, AGAIN))
    assert (labels, meanwhile) == (["Run it", "Run it"], "Make it")
    with pytest.raises(NotFoundError, match=r'test \(a\) has no step "goo"; did you mean "go"\?'):
        Choice("test", "goo").label(FOUND, shown)


def test_missing() -> None:
    """What has worked, and left no log, is named once, whatever kind it is."""
    assert missing(FOUND, Choice(), LOGS) is None
    assert missing(FOUND, Choice("test"), []) == "the logs of test (a), test (b) are gone: their Pods were deleted"
    assert missing(FOUND, Choice("test/0"), []) == "the log of test (a) is gone: its Pod was deleted"
    assert missing(FOUND, Choice(run=1), LOGS) == "nothing is left of the logs of run 1: their Pods were deleted"


def test_over() -> None:
    """A job that was named is over before its run is; a run is over when it says so."""
    assert [Choice(job).is_over(FOUND) for job in (None, "build", "kept")] == [False, False, True]
