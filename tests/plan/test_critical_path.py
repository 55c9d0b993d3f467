from __future__ import annotations

import pytest

from fairlead.model.ids import JobId
from fairlead.model.status import CombinationStatus
from fairlead.plan.critical_path import CriticalPath, critical_path, durations_of
from fairlead.plan.forecast import forecast
from tests.builders import a_resource, a_run, a_spec, at, succeeded

SPEC = (
    a_spec().job("a").job("b", "a").job("c", "a").job("d", "b").job("e", "c", "d").job("f", "e", onComplete="failure")
)


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ({}, (("a", "b", "d", "e"), None)),
        ({"a": 1, "b": 1, "c": 100, "d": 1, "e": 1}, (("a", "c", "e"), 102)),
        ({"c": 100, "gone": 5}, (("a", "b", "d", "e"), 400)),
        ({"a": 2, "b": 0, "c": 10, "d": 0}, (("a", "c", "e"), 13)),
    ],
)
def test_path(durations: dict[str, float], expected: tuple[tuple[str, ...], float | None]) -> None:
    """It is the longest by what jobs took, unknown ones as usual, or by their number; without what runs in need."""
    jobs = forecast(SPEC.workflow(), a_resource()).jobs
    found = critical_path(jobs, {JobId(job): seconds for job, seconds in durations.items()})
    assert found == CriticalPath(tuple(map(JobId, expected[0])), expected[1])


def test_nothing() -> None:
    """Without jobs there is no path."""
    assert critical_path(()) == CriticalPath(())


def test_durations() -> None:
    """A job took from its first start to its last end; one that isn't over took nothing yet."""
    combinations = (
        CombinationStatus(name="x", started_at=at(0), finished_at=at(10)),
        CombinationStatus(name="y", started_at=at(5), finished_at=at(25)),
    )
    run = (
        a_run()
        .with_job("a", succeeded(started_at=at(0), finished_at=at(10)))
        .with_job("b", succeeded(finished_at=None, started_at=at(0)))
        .with_job("c", succeeded(combinations=combinations))
        .with_job("d", succeeded(finished_at=at(0)))
    )
    assert durations_of(run.status()) == {"a": 10, "c": 25}
