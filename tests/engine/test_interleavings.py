from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import given, note
from hypothesis import strategies as st

from fairlead.model.ids import WorkflowKey
from fairlead.plan.admission import Limits, works
from tests.builders import a_spec
from tests.engine.interleaving import Answer, Cluster, Operator

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = [WorkflowKey("a", "w1"), WorkflowKey("a", "w2"), WorkflowKey("a", "w3"), WorkflowKey("b", "w1")]
GROUPS = [None, "g", "G", "g", "h"]
# Written in two ways, so that a job may name the group that its own run has: that is found only when it runs.
OF_A_RUN, OF_A_JOB = "${{ format('%s') }}", "${{ '%s' }}"


@st.composite
def concurrency(draw: st.DrawFn, written: str) -> dict[str, Any]:
    """Draw a group, or none, and how it treats those before."""
    name = draw(st.sampled_from(GROUPS))
    if name is None:
        return {}
    group = written % name
    settings = {"cancelInProgress": draw(st.booleans()), "queue": draw(st.sampled_from(["all", "latest"]))}
    return {"concurrency": {"group": group, **settings}}


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a workflow of one or two jobs, side by side or one after the other."""
    spec = a_spec().but(**draw(concurrency(OF_A_RUN)), priority=draw(st.sampled_from([0, 0, 1])))
    spec = spec.but(suspend=draw(st.integers(0, 9)) == 0)
    spec = spec.job("x", **draw(concurrency(OF_A_JOB)))
    if draw(st.booleans()):
        fields = {**draw(concurrency(OF_A_JOB)), **draw(st.sampled_from([{}, {}, {"if": "always()"}]))}
        spec = spec.job("y", *draw(st.sampled_from([(), ("x",)])), **fields)
    return spec.document()


def check(cluster: Cluster, operator: Operator) -> None:
    """Check what has to hold at any moment."""
    assert {group: who for group, who in cluster.at_work().items() if len(who) > 1} == {}
    admitted, working = cluster.admitted(), operator.working()
    limits = operator.limits
    assert admitted.total() <= (limits.workflows or 99)
    assert max(admitted.values(), default=0) <= (limits.workflows_per_namespace or 99)
    assert working.total() <= (limits.jobs or 99)
    assert max(working.values(), default=0) <= (limits.jobs_per_namespace or 99)


def moves(cluster: Cluster, operator: Operator) -> list[tuple[str, Callable[[], None]]]:
    """Give everything that can happen by itself, with a word for it."""
    found: list[tuple[str, Callable[[], None]]] = []
    # What goes well is drawn more often, or little would ever come to pass.
    ready = [key for key in operator.queue if key not in operator.flights]
    found += 4 * [(f"look at {key}", partial(operator.begin, key)) for key in ready]
    for key in operator.flights:
        found += 4 * [(f"answer {key}", partial(operator.answer, key, Answer.DONE))]
        found += [(f"{each.name} {key}", partial(operator.answer, key, each)) for each in Answer]
    for key, view in cluster.views.items():
        found.append((f"hear of {key}", partial(operator.hear, key)))
        found.append((f"hear of Jobs of {key}", partial(operator.hear_of_jobs, key)))
        for jobs in (view.jobs, *view.remains.values()):
            found += [(f"move {name}", partial(cluster.move, key, name)) for name, job in jobs.items() if works(job)]
    if operator.late:
        found.append(("a late write", operator.arrive_late))
    return found


LIMIT = st.none() | st.integers(1, 3)


@given(data=st.data(), limits=st.builds(Limits, LIMIT, LIMIT, LIMIT, LIMIT))
def test_never_two_at_once_and_everything_ends(data: st.DataObject, limits: Limits) -> None:
    """However calls are delayed and lost, events come late and the operator dies: one at a time, and all end."""
    cluster = Cluster()
    operator = Operator(cluster, limits)
    for _ in range(data.draw(st.integers(5, 80))):
        operator.now += 1
        kind = data.draw(st.integers(0, 19))
        key = data.draw(st.sampled_from(KEYS))
        if kind < 2 or not cluster.views:
            note(f"apply {key}")
            cluster.apply(key, data.draw(specs()))
            operator.hear(key)
        elif kind == 2 and key in cluster.views:
            if data.draw(st.booleans()):
                note(f"delete {key}")
                cluster.delete(key)
            else:
                note(f"cancel {key}")
                cluster.cancel(key)
        elif kind == 3:
            note("die")
            die(data, operator)
        elif found := moves(cluster, operator):
            word, move = found[data.draw(st.integers(0, len(found) - 1))]
            note(word)
            move()
        check(cluster, operator)
    settle(cluster, operator)
    unended = {
        str(key): str(view.resource.status.phase)
        for key, view in cluster.views.items()
        if view.resource is not None and not view.resource.status.ended
    }
    assert unended == {}


def die(data: st.DataObject, operator: Operator) -> None:
    """Let the operator die: what is under way is carried out first, or never."""
    for key in list(operator.flights):
        operator.answer(key, data.draw(st.sampled_from([Answer.DONE_UNHEARD, Answer.LOST])))
    operator.start()


def settle(cluster: Cluster, operator: Operator) -> None:
    """Let everything go its way without further trouble, until nothing is left to do. Nobody stays suspended."""
    for key, view in list(cluster.views.items()):
        if view.resource is not None:
            cluster.apply(key, {**view.spec, "suspend": False})
        operator.hear(key)
        operator.hear_of_jobs(key)
    operator.late.clear()
    for _ in range(1000):
        operator.now += 1
        busy = bool(operator.queue or operator.flights)
        for key in [key for key in operator.queue if key not in operator.flights]:
            operator.begin(key)
        for key in list(operator.flights):
            operator.answer(key, Answer.DONE)
            check(cluster, operator)
        if not move_all(cluster, operator) and not busy:
            return
    raise AssertionError("it never comes to rest")


def move_all(cluster: Cluster, operator: Operator) -> bool:
    """Take every Kubernetes Job that works one step further; tell whether there was any."""
    found = [
        (key, name)
        for key, view in cluster.views.items()
        for jobs in (view.jobs, *view.remains.values())
        for name, job in jobs.items()
        if works(job)
    ]
    for key, name in found:
        cluster.move(key, name)
        operator.hear_of_jobs(key)
    return bool(found)
