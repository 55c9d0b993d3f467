"""Packs: which combinations are made together, and that nothing follows from it but fewer Kubernetes Jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.model.ids import JobId, NodeId
from fairlead.model.status import CombinationStatus
from fairlead.plan import ContainerRunning, ContainerTerminated, CreateJob, CreatePack, Policy, Refusal
from fairlead.plan.neighbours import ALONE, UNSTARTED_REACHED, Room
from fairlead.plan.packing import CHUNK, Hole, hole
from tests.plan.drill import Drill, a_job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.plan.neighbours import Claim, Standing

PACKS = Policy(combinations=300, packs=True)


def a_matrix(width: int = 4, **fields: object) -> dict[str, object]:
    """Give a job of so many combinations, whose command has their number."""
    strategy = {"matrix": {"n": list(range(width))}, "failFast": False}
    steps = {} if "steps" in fields else {"commands": ["echo ${{ matrix.n }}"]}
    return {"image": "busybox", "strategy": strategy, **steps, **fields}


def drilled(job: Mapping[str, Any] | None = None, policy: Policy = PACKS, **fields: object) -> Drill:
    """Give a run of one matrix job, which is looked at until nothing more happens."""
    return Drill({"jobs": {"m": job or a_matrix(), **fields}}, policy).look()


def names(*indexes: int) -> str:
    """Name combinations as the log does."""
    return ", ".join(f"m[{index}]" for index in indexes)


def test_a_chunk_is_one() -> None:
    """Chunks of combinations are made together, in order; what is left of them goes the way of single jobs."""
    log = drilled(a_matrix(2 * CHUNK + 2)).log

    assert log == [
        f"start {names(*range(CHUNK))} together",
        f"start {names(*range(CHUNK, 2 * CHUNK))} together",
        f"start m[{2 * CHUNK}]",
        f"start m[{2 * CHUNK + 1}]",
    ]


SINGLE = {
    "an image of the matrix": {"image": "python:${{ matrix.n }}"},
    "a service": {"services": {"db": {"image": "busybox"}}},
    "a concurrency group": {"concurrency": {"group": "g${{ matrix.n }}"}},
    "a limit": {"strategy": {"matrix": {"n": [0, 1, 2, 3]}, "failFast": False, "maxParallel": 4}},
    "a node of the matrix": {"nodeSelector": {"n": "${{ matrix.n }}"}},
    "containers besides": {"podTemplate": {"spec": {"containers": [{"name": "main", "tty": True}]}}},
    "a variable of the shell's own": {"env": {"IFS": "${{ matrix.n }}"}},
    "the variable that tells the index": {"env": {"JOB_COMPLETION_INDEX": "1"}},
    "a late step": {"steps": [{"id": "a", "run": "true"}, {"run": "echo ${{ steps.a.outputs.x }}"}]},
    "a secret's name and the matrix": {"env": {"X": "${{ secrets.KEY }}${{ matrix.n }}"}},
    "very long texts": {"commands": ["echo ${{ matrix.n }}" + "'" * 20_000]},
}


@pytest.mark.parametrize("fields", SINGLE.values(), ids=SINGLE)
def test_what_is_made_singly(fields: Mapping[str, object]) -> None:
    """Combinations whose Pods may differ in more than texts, or that wait one by one, have their own Jobs."""
    log = drilled({**a_matrix(), **fields} if "steps" not in fields else a_matrix(steps=fields["steps"])).log

    assert log == [f"start m[{index}]" for index in range(4)]


def test_only_where_the_cluster_can() -> None:
    """Without the policy there are no packs."""
    assert drilled(policy=Policy()).log == [f"start m[{index}]" for index in range(4)]


def test_the_record_names_the_pack() -> None:
    """Each combination tells the Kubernetes Job that it is in, and stands and ends by itself."""
    drill = drilled().run("m[0]", "m[1]").end("m[1]")

    recorded = {state.kubernetes_job for state in drill.job("m").combinations}
    assert (recorded, drill.combinations("m")) == (
        {drill.newest("m[0]").name},
        {"m (0)": "Running", "m (1)": "Succeeded", "m (2)": "Queued", "m (3)": "Queued"},
    )


def test_a_retry_is_single() -> None:
    """What is tried again, or was lost, gets a Job of its own; the others don't notice."""
    job = a_matrix(retry={"limit": 1, "delay": 0})
    drill = drilled(job).end("m[1]", code=1).lose("m[2]").end("m[0]", "m[1]", "m[2]", "m[3]")

    assert (drill.log, drill.status.phase) == (
        [f"start {names(0, 1, 2, 3)} together", "start m[1] 2", "start m[2] 2"],
        "Succeeded",
    )


def test_a_rerun_of_what_failed() -> None:
    """A rerun begins with first attempts, and so with a pack of its own; its job runs again as a whole."""
    drill = drilled().end("m[0]", code=1).end("m[1]", "m[2]", "m[3]").annotate(rerun="1 failed")

    assert (drill.log, drill.newest("m[0]").run) == ([f"start {names(0, 1, 2, 3)} together"] * 2, 2)


def test_what_joins_a_chunk_later_is_single() -> None:
    """Where anything of a chunk was made already, the rest gets Jobs of its own: the pack isn't made twice."""
    drill = drilled().lose("m[1]").end("m[0]", "m[2]")
    recorded = drill.status.jobs[JobId("m")]
    fresh = CombinationStatus(name="m (3)")
    states = (*recorded.combinations[:3], fresh)
    jobs = {JobId("m"): recorded.model_copy(update={"combinations": states})}
    drill.resource = replace(drill.resource, status=drill.status.model_copy(update={"jobs": jobs}))
    drill.jobs = {slot: job for slot, job in drill.jobs.items() if job.node.combination != 3}
    drill.look()

    assert drill.log[1:] == ["start m[1] 2", "start m[3]"]


def test_a_wrong_text_fails_its_own_combination() -> None:
    """One whose texts can't be filled in fails, and the rest of its chunk goes without it."""
    text = "echo ${{ fromJSON(matrix.n == 2 && 'x' || '1') }}"
    drill = drilled(a_matrix(commands=[text]))

    assert (drill.log, drill.combinations("m")["m (2)"]) == (
        [f"start {names(0, 1, 3)} together"],
        "Failed ExpressionFailed",
    )


def test_a_refused_pack() -> None:
    """A pack that the cluster refuses is asked for again, whole."""
    drill = Drill({"jobs": {"m": a_matrix()}}, PACKS)
    drill.refusals |= {NodeId(JobId("m"), index): Refusal("quota") for index in range(4)}
    waiting = drill.look().combinations("m")
    drill.welcome()

    assert (set(waiting.values()), drill.log) == ({"Pending"}, [f"start {names(0, 1, 2, 3)} together"])


class _Narrow:
    """Room for so many Kubernetes Jobs."""

    limited = False

    def __init__(self, places: int) -> None:
        self.places = places

    def standing(self, claim: Claim) -> Standing:
        raise AssertionError(claim)

    def room(self, wanted: int, priority: int) -> Room:
        del priority
        return Room(min(self.places, wanted), UNSTARTED_REACHED)


def test_a_pack_takes_one_place() -> None:
    """Where unstarted Jobs are limited a pack is one; who waits is told."""
    drill = Drill({"jobs": {"m": a_matrix(CHUNK + 5)}}, PACKS, neighbours=_Narrow(1))
    drill.carry_out(drill.decide())

    assert (drill.log, {state.message for state in drill.job("m").combinations[CHUNK:]}) == (
        [f"start {names(*range(CHUNK))} together"],
        {UNSTARTED_REACHED},
    )


def test_one_that_was_refused() -> None:
    """Where one alone was refused for good, all were asked for one by one, and may be there unseen."""
    drill = Drill({"jobs": {"m": a_matrix()}}, PACKS).refuse("m[0]", final=True)

    assert drill.log == [f"start m[{index}]" for index in (1, 2, 3)]


def test_packs_begin_in_the_midst_of_a_run() -> None:
    """After an upgrade from an operator that made no packs, what it has begun goes on as it was."""
    drill = Drill({"jobs": {"m": a_matrix(CHUNK + 4)}}, Policy(combinations=300), neighbours=_Narrow(1))
    drill.carry_out(drill.decide())
    drill.policy, drill.neighbours = PACKS, ALONE
    drill.look()

    singly = [f"start m[{index}]" for index in range(CHUNK)]
    assert sorted(drill.log) == sorted([*singly, f"start {names(*range(CHUNK, CHUNK + 4))} together"])


def test_a_cancel_ends_what_works() -> None:
    """A cancelled run ends a pack with one request, and what has ended stays."""
    drill = drilled().run("m[1]").end("m[0]").annotate(cancel="1")

    assert drill.log[1:] == [f"end {names(1, 2, 3)}"]


def test_no_pod_was_seen() -> None:
    """A pack that has no Pod yet is deleted: the end of its time would only come once it had made them."""
    drill = drilled()
    for slot, job in drill.jobs.items():
        drill.jobs[slot] = replace(job, pods=())
    drill.annotate(cancel="1")

    assert drill.log[1:] == [f"delete {names(0, 1, 2, 3)}"]


def test_fail_fast_spares_what_has_just_ended() -> None:
    """While the Pod of what failed still ends, the others are ended one by one; those without a Pod, afterwards."""
    strategy = {"matrix": {"n": [0, 1, 2, 3]}, "failFast": True}
    drill = drilled(a_matrix(strategy=strategy)).run("m[1]", "m[2]")
    unborn, failed = drill.newest("m[3]"), drill.newest("m[0]")
    drill.jobs[unborn.slot] = replace(unborn, pods=())
    drill.jobs[failed.slot] = replace(failed, pods=(replace(failed.pods[0], lingers=True),))
    drill.end("m[0]", code=1)
    at_once = drill.log[1:]
    failed = drill.newest("m[0]")
    drill.jobs[failed.slot] = replace(failed, pods=(replace(failed.pods[0], lingers=False),))
    drill.look()

    assert (at_once, drill.log[3:]) == (["delete the Pod of m[1]", "delete the Pod of m[2]"], ["end m[3]"])


def test_one_is_given_up() -> None:
    """One that ended in the record alone is ended by its Pod; the others go on."""
    drill = drilled().run("m[0]", "m[1]", "m[3]")
    lost = drill.newest("m[2]")
    drill.lose("m[2]")
    drill.jobs[lost.slot] = lost
    drill.look()

    assert drill.log[1:] == ["start m[2] 2", "delete the Pod of m[2]"]


def test_an_edit_ends_the_old_pack() -> None:
    """What another spec left working is ended, and the new one makes its own pack."""
    drill = drilled().run("m[0]").edit(jobs={"m": a_matrix(commands=["echo other ${{ matrix.n }}"])})

    together = f"start {names(0, 1, 2, 3)} together"
    assert drill.log == [together, together, f"end {names(0, 1, 2, 3)}"]


@given(st.lists(st.sampled_from("abé'$"), max_size=6).map("".join), st.data())
def test_a_hole_loses_nothing(text: str, data: st.DataObject) -> None:
    """What texts begin with, what each has, and what they end with is the text again."""
    texts = [text, *data.draw(st.lists(st.text("abé'$", max_size=6), min_size=1, max_size=4))]
    found = hole(texts)

    assert [found.start + middle + found.end for middle in found.middles] == texts


def test_where_texts_differ() -> None:
    """A hole is as small as it can be, and what is shared isn't counted twice."""
    assert (hole(["aXb", "aYYb"]), hole(["aa", "a"]), hole(["same"])) == (
        Hole("a", ("X", "YY"), "b"),
        Hole("a", ("a", ""), ""),
        Hole("same", ("",), ""),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["run", "end", "fail", "lose", "cancel", "room"]), st.integers(0, 8))))
def test_however_it_goes(events: list[tuple[str, int]]) -> None:
    """Whatever happens, no attempt is made twice, and the outcome is that of single Jobs."""
    after = a_job(needs=["m"], **{"if": "always()"})
    spec = {"jobs": {"m": a_matrix(9, retry={"limit": 1, "delay": 0}), "after": after}}
    drills = [Drill(spec, replace(PACKS, packs=packs)).look() for packs in (True, False)]
    for drill in drills:
        for what, index in events:
            happen(drill, what, f"m[{index}]")
        for _ in range(3):
            for node in [str(job.node) for job in drill.jobs.values()]:
                happen(drill, "end", node)
    made = [line for line in drills[0].log if line.startswith("start")]

    packed, single = ((drill.status.phase, drill.combinations("m")) for drill in drills)
    assert (len(set(made)), packed) == (len(made), single)


def happen(drill: Drill, what: str, node: str) -> None:
    """Let something happen to the newest attempt at a node, if it still works."""
    if what == "cancel":
        drill.annotate(cancel="1")
        return
    found = [each for each in drill.jobs.values() if str(each.node) == node]
    newest = max(found, key=lambda each: each.attempt, default=None)
    if newest is None or not newest.pods or isinstance(newest.pods[-1].container, ContainerTerminated):
        return
    match what:
        case "run":
            drill.set(newest, ContainerRunning(drill.now))
            drill.look()
        case "end" | "fail":
            drill.end(node, code=int(what == "fail"))
        case "lose":
            drill.lose(node)
        case _:
            drill.look()


def test_the_same_again() -> None:
    """Whoever plans the same from nothing asks for the same pack, under the same name."""
    drill = Drill({"jobs": {"m": a_matrix()}}, PACKS)
    first, second = drill.decide(), drill.decide()
    packs = [action for action in first.actions if isinstance(action, CreatePack)]

    assert (first.actions, len(packs), any(isinstance(each, CreateJob) for each in first.actions)) == (
        second.actions,
        1,
        False,
    )
