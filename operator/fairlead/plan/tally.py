"""What the summary of a run counts of its jobs, kept up to date as they change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.model.phase import JobPhase

if TYPE_CHECKING:
    from fairlead.model.ids import JobId
    from fairlead.model.status import JobStatus, NodeStatus


@dataclass(frozen=True, slots=True)
class Share:
    """What one job adds."""

    phase: JobPhase
    nodes: int
    ended: int
    begun: int
    talks: bool


@dataclass(slots=True)
class Tally:
    """Counts of a run.

    Of jobs: those in each phase, and those that have something to say while they last. Of nodes: all that are known,
    those that have ended, and those that have begun.
    """

    phases: dict[JobPhase, set[JobId]] = field(default_factory=lambda: {phase: set() for phase in JobPhase})
    talking: set[JobId] = field(default_factory=set)
    nodes: int = 0
    ended: int = 0
    begun: int = 0
    _shares: dict[JobId, Share] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether all jobs have ended."""
        return not any(jobs for phase, jobs in self.phases.items() if not phase.ended)

    def put(self, job_id: JobId, state: JobStatus, share: Share | None = None) -> None:
        """Count a job as it stands now; `share` is what it adds, where that is known."""
        before, share = self._shares.get(job_id), share or _share(state)
        if share == before:
            return
        self._shares[job_id] = share
        if before is not None:
            self.phases[before.phase].discard(job_id)
            self._add(before, -1)
        self.phases[share.phase].add(job_id)
        self._add(share, 1)
        if share.talks:
            self.talking.add(job_id)
        else:
            self.talking.discard(job_id)

    def _add(self, share: Share, times: int) -> None:
        self.nodes += times * share.nodes
        self.ended += times * share.ended
        self.begun += times * share.begun


def _share(state: JobStatus) -> Share:
    phase = state.phase
    if not state.combinations:
        begun = phase.ended or state.attempt is not None
        return Share(phase, 1, int(phase.ended), int(begun), talks(state))
    nodes = state.combinations
    ended = sum([node.phase.ended for node in nodes])
    begun_nodes = sum([node.attempt is not None or node.phase.ended for node in nodes])
    says = talks(state) or any(talks(node) for node in nodes)
    return Share(phase, len(nodes), ended, begun_nodes, says)


def talks(node: NodeStatus) -> bool:
    """Whether a node has something to say while it lasts."""
    return bool(node.message) and not node.phase.ended
