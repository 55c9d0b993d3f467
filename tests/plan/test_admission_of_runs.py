from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from fairlead.model.ids import JobId, NodeId
from fairlead.plan import CreateJob, Refusal
from fairlead.plan.actions import Demand
from fairlead.plan.neighbours import Admitted, Room, Waits, Yields
from tests.plan.drill import Drill, a_job

if TYPE_CHECKING:
    from fairlead.plan.neighbours import Claim, Standing


@dataclass
class Doors:
    """Neighbours that hold some groups, in upper case, and leave so much room for jobs."""

    held: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    places: int = 99
    limited: bool = False

    def standing(self, claim: Claim) -> Standing:
        """Tell how a claim stands."""
        if claim.admitted:
            return Yields("superseded by other") if claim.group in self.wanted else Admitted()
        return Waits("waits for other") if claim.group in self.held else Admitted()

    def room(self, wanted: int, priority: int) -> Room:
        """Tell how many may start."""
        del priority
        return Room(min(wanted, self.places))


def waiting_run(doors: Doors) -> Drill:
    """Give a run in the group g."""
    return Drill({"concurrency": {"group": "G"}, "jobs": {"a": a_job()}}, neighbours=doors)


def test_a_run_is_recorded_as_admitted_before_anything_starts() -> None:
    """Whoever dies between the two is known to hold the group."""
    drill = waiting_run(Doors())

    first = drill.decide()
    for act in drill.acts(first):
        act()
    second = drill.decide()

    assert (first.record_first, first.actions) == (True, ())
    assert first.status.admission is not None
    assert (first.status.admission.admitted, first.status.admission.group) == (True, "G")
    assert (second.record_first, [type(each).__name__ for each in second.actions]) == (False, ["CreateJob"])


def test_a_run_that_waits_goes_forward_only() -> None:
    """From Queued to Running, over the record of its admission."""
    doors = Doors(held={"G"})
    drill = waiting_run(doors).look()
    assert (drill.status.phase, drill.status.message) == ("Queued", "waits for other")
    conditions = {each.type: (each.status, each.message) for each in drill.status.conditions}
    assert conditions["Admitted"] == ("False", "waits for other")

    doors.held.clear()
    drill.look()

    assert [status.phase for status in drill.statuses] == ["Queued", "Queued", "Running"]
    assert {each.type: each.status for each in drill.status.conditions}["Admitted"] == "True"


def test_a_run_waits_from_its_creation_on_whatever_the_clock_says() -> None:
    """An operator whose clock is behind counts by the API server's, whose seconds it takes to be over."""
    found = {}
    for created in (-60, 0, 1, 3600):
        drill = waiting_run(Doors(held={"G"}))
        moment = drill.now
        drill.resource = replace(drill.resource, created_at=moment + timedelta(seconds=created))
        drill.look()
        assert drill.status.admission is not None
        found[created] = (drill.status.admission.since - moment).total_seconds()
    assert found == {-60: 0, 0: 0, 1: 2, 3600: 3601}


def test_a_run_that_yields() -> None:
    """It is cancelled, recorded, and then its jobs are ended."""
    doors = Doors()
    drill = waiting_run(doors).look().run("a")

    doors.wanted.add("G")
    drill.look()

    assert (drill.phases, drill.log) == ({"a": "Cancelled Superseded"}, ["start a", "delete a"])
    assert (drill.status.phase, drill.status.message) == ("Cancelled", "superseded by other; a did not finish")


def test_nothing_starts_beside_a_job_that_is_admitted_now() -> None:
    """Its admission is recorded first; then all that was ready starts."""
    jobs = {"a": a_job(), "b": a_job(concurrency={"group": "h"}), "c": a_job(strategy={"matrix": {"x": [1, 2]}})}
    drill = Drill({"jobs": jobs}, neighbours=Doors())

    first = drill.decide()
    assert (first.record_first, first.actions, first.status.jobs["b"].phase) == (True, (), "Queued")  # type: ignore[index]

    assert drill.look().log == ["start a", "start b", "start c[0]", "start c[1]"]


def test_what_was_lost_waits_for_the_record_of_another() -> None:
    """A restart that is held back is done right after it."""
    doors = Doors(held={"H"})
    jobs = {"a": a_job(), "b": a_job(concurrency={"group": "h"})}
    drill = Drill({"jobs": jobs}, neighbours=doors).look().run("a")
    del drill.jobs[drill.newest("a").name]
    doors.held.clear()

    assert drill.look().log == ["start a", "start a 2", "start b"]
    assert drill.end("a", "b").status.phase == "Succeeded"


def test_jobs_that_wait_for_a_group() -> None:
    """They say so, and keep their place in the line."""
    doors = Doors(held={"H"})
    drill = Drill({"jobs": {"b": a_job(concurrency={"group": "h"})}}, neighbours=doors).look()
    since = drill.job("b").admission
    assert (drill.phases, drill.job("b").message) == ({"b": "Queued WaitingForGroup"}, "waits for other")

    drill.pass_time(60)
    assert drill.job("b").admission == since

    drill.annotate(cancel="1")
    assert (drill.phases, drill.log) == ({"b": "Cancelled Cancelled"}, [])


def test_demand() -> None:
    """All that waits for room alone is counted, a restart, too; what was refused is asked for last."""
    doors = Doors(places=2)
    drill = Drill({"jobs": {name: a_job() for name in "abc"}, "priority": 3}, neighbours=doors)
    first = drill.decide()
    assert (first.demand, first.status.jobs["c"].reason) == (Demand(1, 3), "WaitingForRoom")  # type: ignore[index]

    drill.refuse("a")
    assert (drill.log, drill.job("a").message) == (["start b", "start c"], "can't be started yet: no")

    drill.refusals.clear()
    doors.places = 0
    del drill.jobs[drill.newest("b").name]
    assert (drill.decide().demand, drill.look().phases["b"]) == (Demand(2, 3), "Queued JobDeleted")


def test_what_may_have_been_made_is_asked_for_first() -> None:
    """It may be there though no answer came, and then it has its room already."""
    drill = Drill({"jobs": {name: a_job() for name in "abc"}}, neighbours=Doors(places=1))
    drill.refusals[NodeId(JobId("b"))] = Refusal("no answer", unheard=True)

    (action,) = drill.decide().actions

    assert isinstance(action, CreateJob)
    assert action.node == NodeId(JobId("b"))


def test_where_workflows_are_limited_every_run_asks() -> None:
    """Also one without a group; it counts with its priority."""
    drill = Drill({"jobs": {"a": a_job()}, "priority": 2}, neighbours=Doors(limited=True)).look()

    admission = drill.status.admission
    assert admission is not None
    assert (admission.admitted, admission.group, admission.priority, drill.log) == (True, None, 2, ["start a"])


def test_limits_that_come_while_it_runs() -> None:
    """A run that began without them goes on, and is recorded as admitted."""
    doors = Doors()
    drill = Drill({"jobs": {"a": a_job(), "b": a_job(needs="a")}}, neighbours=doors).look().run("a")

    doors.limited = True
    drill.look().end("a").end("b")

    assert [status.phase for status in drill.statuses if not status.ended] == ["Running"] * (len(drill.statuses) - 1)
    assert drill.status.phase == "Succeeded"


def test_a_run_that_was_never_admitted_runs_nothing() -> None:
    """Not even what runs always: it would work in a group that another one holds."""
    jobs = {"a": a_job(), "clean": a_job(onComplete="always")}
    drill = Drill({"concurrency": {"group": "g"}, "jobs": jobs}, neighbours=Doors(held={"G"})).look()

    drill.annotate(cancel="1")

    assert (drill.log, drill.phases) == ([], {"a": "Cancelled Cancelled", "clean": "Cancelled Cancelled"})
    assert drill.status.phase == "Cancelled"


def test_a_run_that_was_admitted_cleans_up() -> None:
    """It holds its group until that is done."""
    jobs = {"a": a_job(), "clean": a_job(needs="a", onComplete="always")}
    drill = Drill({"concurrency": {"group": "g"}, "jobs": jobs}, neighbours=Doors()).look().annotate(cancel="1")

    assert (drill.log, drill.phases) == (
        ["start a", "delete a", "start clean"],
        {"a": "Cancelled Cancelled", "clean": "Queued"},
    )


def test_waiting_takes_nothing_of_the_runs_time() -> None:
    """The workflow's timeout counts from when it was let go."""
    doors = Doors(held={"G"})
    drill = Drill({"timeout": "1m", "concurrency": {"group": "G"}, "jobs": {"a": a_job()}}, neighbours=doors)
    drill.look().pass_time(100)

    doors.held.clear()
    drill.look().run("a").pass_time(59)
    assert drill.phases == {"a": "Running"}

    assert drill.pass_time(1).phases == {"a": "Failed TimedOut"}


def test_who_is_suspended_lets_others_go_first() -> None:
    """A run, or a job, that waits for its group and is suspended withdraws; resumed, it asks anew."""
    job = {"jobs": {"a": a_job(concurrency={"group": "G"})}}
    drills = [waiting_run(Doors(held={"G"})).look(), Drill(job, neighbours=Doors(held={"G"})).look()]
    found = []
    for drill in drills:
        for suspend in (True, False):
            drill.edit(suspend=suspend)
            found.append((drill.status.admission or drill.job("a").admission) is not None)
    assert found == [False, True, False, True]


def test_a_run_that_waits_takes_up_other_settings() -> None:
    """What is edited while it waits is recorded before it counts; it keeps the time since when it waits."""
    doors = Doors(held={"G"})
    drill = waiting_run(doors).look()
    before = drill.status.admission
    assert before is not None
    doors.held.clear()
    drill.now += timedelta(minutes=1)
    drill.write({**drill.spec, "priority": 3})
    first = drill.decide()

    assert (first.record_first, first.status.admission) == (False, before.model_copy(update={"priority": 3}))
    assert drill.look().status.phase == "Running"
