"""What the pure planner makes of a workflow where nothing goes wrong, and what of it has to come out anyhow."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from fairlead.model.phase import JobPhase
from fairlead.model.report import Report, StepReport
from fairlead.model.status import WorkflowStatus
from fairlead.plan import CallWorkflow, ContainerTerminated, CreateJob
from fairlead.syntax.template import instantiate
from tests.plan.drill import Drill
from tests.simulation.nodes import outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.status import NodeStatus

Json: TypeAlias = dict[str, Any]

_KEPT = ("phase", "result", "outcome", "reason", "exit_code", "retries", "outputs")
_MOST_STEPS = 500


def expected(spec: Json, templates: Mapping[str, Json]) -> WorkflowStatus:
    """Run a workflow to its end: attempts end as their environment says."""
    return WorkflowStatus.from_json(orjson.loads(_expected(orjson.dumps(spec), orjson.dumps(dict(templates)))))


@lru_cache(maxsize=1024)
def _expected(spec: bytes, templates: bytes) -> bytes:
    drill = Drill(orjson.loads(spec)).look()
    for _ in range(_MOST_STEPS):
        if drill.status.phase is not None and drill.status.phase.ended:
            return orjson.dumps(drill.status.to_json())
        if not _end_all(drill, orjson.loads(templates)):
            # What isn't at work waits for a retry.
            drill.pass_time(1)
        drill.look()
    raise AssertionError(f"the reference never ends: {drill.log[-5:]}")


def _end_all(drill: Drill, templates: Mapping[str, Json]) -> bool:
    """Let everything end that is at work; tell whether anything was."""
    going = [job for job in drill.jobs.values() if not isinstance(job.pods[-1].container, ContainerTerminated)]
    for job in going:
        request = drill.requests[job.name]
        assert isinstance(request, CreateJob)
        env = {key: value for key, value in request.request.env.items() if isinstance(value, str)}
        code, value = outcome_of(env, request.retries)
        outputs = {"s": {"v": value}} if code == 0 and value else {}
        report = Report((StepReport(code, 0, 1),), outputs, code)
        drill.set(job, ContainerTerminated(code, "", "", drill.now, drill.now, report))
    calls = [(name, call) for name, call in drill.calls.items() if not call.status.ended]
    for name, call in calls:
        asked = drill.requests[name]
        assert isinstance(asked, CallWorkflow)
        spec = instantiate(templates[asked.request.template], asked.request.inputs)
        drill.calls[name] = replace(call, status=expected(spec, templates))
    return bool(going or calls)


def digest_of(status: WorkflowStatus) -> Json:
    """Give what has to be the same however often things were lost and made again."""
    return {
        "phase": str(status.phase),
        "outputs": dict(status.outputs),
        "jobs": {name: _essence(state) for name, state in _nodes(status)},
    }


def disagreements(found: WorkflowStatus, wanted: WorkflowStatus, *, exact: bool) -> list[str]:
    """Tell where a status differs from what it has to be.

    Where there were races, a job may be cancelled or skipped instead; none succeeds that has to fail, or the other way.
    """
    if exact:
        mine, other = digest_of(found), digest_of(wanted)
        said = [f"{name}: {mine['jobs'].get(name)}, not {other['jobs'].get(name)}" for name in other["jobs"]]
        differing = [text for name, text in zip(other["jobs"], said, strict=True) if _differ(mine, other, name)]
        rest = [
            f"{name}: {mine[name]}, not {other[name]}" for name in ("phase", "outputs") if mine[name] != other[name]
        ]
        return differing + rest
    states = dict(_nodes(wanted))
    certain = (JobPhase.SUCCEEDED, JobPhase.FAILED)
    return [
        f"{name}: {state.phase} ({state.reason}), not {states[name].phase} ({states[name].reason})"
        for name, state in _nodes(found)
        if name in states and state.phase in certain and states[name].phase in certain
        if state.phase is not states[name].phase and str(state.reason) not in ("TimedOut", "CheckFailed")
        if str(states[name].reason) != "CheckFailed"
    ]


def _differ(mine: Json, other: Json, name: str) -> bool:
    return bool(mine["jobs"].get(name) != other["jobs"][name])


def _nodes(status: WorkflowStatus) -> Iterator[tuple[str, NodeStatus]]:
    for job_id, state in status.jobs.items():
        yield job_id, state
        for at, combination in enumerate(state.combinations):
            yield f"{job_id}[{at}]", combination


def _essence(state: NodeStatus) -> Json:
    return {name: str(value) if value is not None else None for name, value in state if name in _KEPT}
