"""A look at some combinations of a matrix, where nothing else of their job can have changed.

A matrix of thousands is planned after each of its endings. Once all of its combinations have been started, one that
ends changes its own state, and what is counted of all of them; so that is kept, and brought up to date. Whatever else
there may be to decide (something has to start or to start again, to be cut short, or the whole has ended) has the
whole job looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.model.phase import JobPhase, Result
from fairlead.model.status import CombinationStatus
from fairlead.plan.nodes import settle, size_of
from fairlead.plan.run import going_on
from fairlead.plan.tally import Share, talks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairlead.model.ids import JobId
    from fairlead.model.status import JobStatus
    from fairlead.model.workflow import JobPlan
    from fairlead.plan.run import Node, Run


@dataclass(slots=True)
class Matrix:
    """The nodes of a matrix that goes on, what is recorded of them, and how many stand how.

    `failed` and `talking` are places of nodes: those whose failure counts, and those that have something to say.
    """

    nodes: list[Node]
    recorded: tuple[CombinationStatus, ...]
    phases: Counter[JobPhase] = field(default_factory=Counter)
    passed: int = 0
    begun: int = 0
    active: int = 0
    failed: set[int] = field(default_factory=set)
    talking: set[int] = field(default_factory=set)

    def count(self, place: int, times: int) -> None:
        """Count a node as it stands now, or take it out again with -1."""
        node = self.nodes[place]
        state = node.state
        self.phases[state.phase] += times
        self.passed += times * (state.result is Result.SUCCESS)
        self.begun += times * (state.attempt is not None or state.phase.ended)
        self.active += times * node.active
        for places, holds in ((self.failed, state.result is Result.FAILURE), (self.talking, talks(state))):
            if holds and times > 0:
                places.add(place)
            else:
                places.discard(place)

    def state(self, recorded: JobStatus) -> JobStatus:
        """Give the job's status, as `plan.run.gather` does."""
        combinations = tuple([node.state for node in self.nodes if isinstance(node.state, CombinationStatus)])
        present = {phase for phase, count in self.phases.items() if count}
        return going_on(combinations, present, self.passed, recorded)

    def share(self, state: JobStatus) -> Share:
        """Give what the job adds to the run's tally."""
        ended = sum(count for phase, count in self.phases.items() if phase.ended)
        return Share(state.phase, len(self.nodes), ended, self.begun, talks(state) or bool(self.talking))


def keep(run: Run, job: JobPlan, asking: Iterable[int]) -> bool:
    """Keep a matrix whose job was looked at as a whole, for looks at parts of it; whether that can be.

    `asking`: the places of nodes that have to be looked at again in any case.
    """
    picture, state, recorded = run.picture, run.states[job.id], run.recorded(job)
    nodes = picture.nodes.get(job.id, ())
    if job.strategy is None or job.concurrency is not None or state.phase.ended:
        return False
    if not nodes or len(recorded.combinations) != len(nodes) or not all(_is_under_way(node) for node in nodes):
        return False
    matrix = picture.matrices[job.id] = Matrix(nodes, recorded.combinations)
    for place in range(len(nodes)):
        matrix.count(place, 1)
    _note(run, job, matrix, range(len(nodes)), asking)
    return True


def recall_part(run: Run, job: JobPlan) -> None:
    """Begin with what is recorded of some combinations of a job."""
    picture, after = run.picture, run.recorded(job).combinations
    matrix = picture.matrices[job.id]
    changes = [(matrix.recorded[place], after[place]) for place in run.parts[job.id]]
    more = sum(size_of(new.outputs) - size_of(old.outputs) for old, new in changes if new is not old)
    if more:
        picture.outputs[job.id] = picture.outputs.get(job.id, 0) + more
    matrix.recorded = after


def settle_part(run: Run, job: JobPlan) -> bool:
    """Bring some combinations of a job up to what is seen of their attempts; False where that isn't all there is to do.

    Nothing has come of it then.
    """
    matrix, places = run.picture.matrices[job.id], sorted(run.parts[job.id])
    before = len(run.actions), len(run.looks), run.outputs
    asking = set()
    for place in places:
        node = matrix.nodes[place]
        matrix.count(place, -1)
        node.state = matrix.recorded[place]
        asked = run.asked()
        settle(run, job, node)
        matrix.count(place, 1)
        if run.asked() != asked:
            asking.add(place)
    if not _is_all(run, job, matrix, places):
        del run.actions[before[0] :], run.looks[before[1] :]
        run.outputs = before[2]
        return False
    run.asking[job.id] = asking
    run.picture.active[job.id] = matrix.active
    run.states[job.id] = matrix.state(run.recorded(job))
    return True


def note_part(run: Run, job: JobPlan) -> None:
    """Take note of how a job stands of which some combinations were looked at."""
    matrix = run.picture.matrices[job.id]
    _note(run, job, matrix, run.parts[job.id], run.asking[job.id])


def forget(run: Run, job_id: JobId) -> None:
    """Have the next look be at the whole job."""
    run.picture.matrices.pop(job_id, None)
    run.picture.unsettled.pop(job_id, None)


def _is_under_way(node: Node) -> bool:
    return node.again is None and (node.state.phase.ended or node.state.attempt is not None)


def _is_all(run: Run, job: JobPlan, matrix: Matrix, places: list[int]) -> bool:
    """Whether nothing else follows from how the looked-at combinations stand."""
    if all(phase.ended for phase, count in matrix.phases.items() if count):
        return False
    stops = run.workflow.fail_fast or job.strategy is None or job.strategy.fail_fast is not False
    if matrix.failed and stops:
        return False
    return all(_is_under_way(matrix.nodes[place]) for place in places)


def _note(run: Run, job: JobPlan, matrix: Matrix, places: Iterable[int], asking: Iterable[int]) -> None:
    """Note which combinations have to be looked at again, as something of them is to be recorded, or asks for it."""
    picture, recorded, again = run.picture, run.recorded(job), set(asking)
    for place in places:
        node, known = matrix.nodes[place], matrix.recorded[place]
        if node.state is not known and node.state == known:
            node.state = known
        if node.state is not known:
            again.add(place)
    state = matrix.state(recorded)
    state = run.states[job.id] = recorded if state == recorded else state
    if again or state is not recorded:
        picture.unsettled[job.id] = again
    else:
        picture.unsettled.pop(job.id, None)
    picture.tally.put(job.id, state, matrix.share(state))
    picture.shown.put(job.id, state, places if job.id in run.parts else None)
