"""Keeping the status small: an object of the API server may have 1.5 MB at most, and each write carries all of it.

What a person looks for stays longest: what failed, with its steps. What was left out is said, and stays left out until
the run is over: what is gone can't come back, and a status that says so now and then would be written again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairlead.model.phase import Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fairlead.model.ids import JobId
    from fairlead.model.status import JobStatus, NodeStatus

BUDGET: Final = 850_000
"""Characters that the nodes may take; conditions, history and what isn't counted here fit into the rest of a MiB."""

_LEVELS: Final = (
    "steps of what didn't fail",
    "all steps",
    "all steps, start times and names of Kubernetes Jobs",
    "all steps, start times, names of Kubernetes Jobs and ends of messages",
    "all steps, start times, names of Kubernetes Jobs and messages",
)
"""What is left out of nodes that have ended, the more the less room there is."""

_NO_STEPS, _NO_STARTS, _SHORT, _NO_MESSAGES = 2, 3, 4, 5
_SAID: Final = "left out: "
_MOST_MESSAGE = 60
_WAITING, _NODE, _STEP, _OUTPUT, _START, _ADMISSION = 80, 190, 170, 8, 40, 150


def compact(jobs: Mapping[JobId, JobStatus], before: str | None = None) -> tuple[dict[JobId, JobStatus], str | None]:
    """Leave out of nodes what there is no room for, and say what that was. Doing it again changes nothing.

    `before`: what was left out of the same run's recorded status.
    """
    shown = Shown(before)
    for job_id, state in jobs.items():
        shown.put(job_id, state)
    return shown.fit(jobs)


class Shown:
    """The jobs of a run as its status shows them, kept up to date as they change. `before` as in `compact`."""

    def __init__(self, before: str | None = None) -> None:
        self._level = _LEVELS.index(left) + 1 if before and (left := before.removeprefix(_SAID)) in _LEVELS else 0
        self._jobs: dict[JobId, JobStatus] = {}
        self._sizes: dict[JobId, int] = {}

    @property
    def left_out(self) -> str | None:
        """Say what is left out."""
        return _SAID + _LEVELS[self._level - 1] if self._level else None

    def put(self, job_id: JobId, state: JobStatus, places: Iterable[int] | None = None) -> None:
        """Show a job as it stands now; `places`: of which combinations it has changed, where these are not all."""
        if places is None:
            shown = _job(state, self._level)
            self._sizes[job_id] = _size(shown)
        else:
            before = self._jobs[job_id]
            shown = _changed(before, state, places, self._level)
            pairs = [(before.combinations[place], shown.combinations[place]) for place in places]
            more = sum(_node_size(new) - _node_size(old) for old, new in pairs)
            self._sizes[job_id] += _node_size(shown) - _node_size(before) + more
        self._jobs[job_id] = shown

    def fit(self, jobs: Mapping[JobId, JobStatus]) -> tuple[dict[JobId, JobStatus], str | None]:
        """Leave out as much more as is needed, where `jobs` is all that was put; give what is shown."""
        while self._level < len(_LEVELS) and sum(self._sizes.values()) > BUDGET:
            self._level += 1
            for job_id, state in jobs.items():
                self.put(job_id, state)
        return self._jobs.copy(), self.left_out


def _job(state: JobStatus, level: int) -> JobStatus:
    if not level:
        return state
    changes = _left_out(state, level)
    if state.combinations:
        changes["combinations"] = tuple(
            each.model_copy(update=found) if (found := _left_out(each, level)) else each for each in state.combinations
        )
    return state.model_copy(update=changes) if changes else state


def _changed(before: JobStatus, state: JobStatus, places: Iterable[int], level: int) -> JobStatus:
    """Do what `_job` does, where all but some combinations are shown as before."""
    if not level:
        return state
    combinations = list(before.combinations)
    for place in places:
        each = state.combinations[place]
        found = _left_out(each, level)
        combinations[place] = each.model_copy(update=found) if found else each
    changes = {**_left_out(state, level), "combinations": tuple(combinations)}
    return state.model_copy(update=changes)


def _left_out(node: NodeStatus, level: int) -> dict[str, object]:
    """Tell what is changed of a node."""
    if not node.phase.ended:
        return {}
    changes: dict[str, object] = {}
    if node.steps and (level >= _NO_STEPS or node.result is not Result.FAILURE):
        changes["steps"] = ()
    if level >= _NO_STARTS:
        changes |= {name: None for name in ("started_at", "kubernetes_job", "admission") if getattr(node, name)}
    if level >= _SHORT and node.message is not None and len(node.message) > _MOST_MESSAGE:
        changes["message"] = node.message[: _MOST_MESSAGE - 1] + "…"
    if level >= _NO_MESSAGES and node.message is not None:
        changes["message"] = None
    return changes


def _size(state: JobStatus) -> int:
    if not state.combinations:
        return _node_size(state)
    return _node_size(state) + sum([_node_size(each) + len(each.name) for each in state.combinations])


def _node_size(node: NodeStatus) -> int:
    """Estimate, rather too high, how many characters a node takes as JSON, without its name."""
    if node.attempt is None and node.message is None and not node.phase.ended:
        return _WAITING + (_ADMISSION if node.admission else 0)
    size = _NODE + len(node.message or "") + len(node.kubernetes_job or "") + len(node.workflow or "")
    if node.steps:
        size += sum(_STEP + len(step.name) for step in node.steps)
    if node.outputs:
        size += sum(_OUTPUT + len(name) + len(value) for name, value in node.outputs.items())
    return size + (_START if node.started_at else 0) + (_ADMISSION if node.admission else 0)
