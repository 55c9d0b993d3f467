"""The graph of needs: unknown ones, cycles, what can't be reached, and the order."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from fairlead.model.problem import Problem, closest, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.model.ids import JobId
    from fairlead.model.spec import Job, WorkflowSpec

Graph = dict["JobId", tuple["JobId", ...]]


def needs_of(job: Job) -> tuple[JobId, ...]:
    """Give what a job needs, under either name, each once."""
    return tuple(dict.fromkeys((*job.needs, *job.requires)))


def order(needs: Mapping[JobId, tuple[JobId, ...]]) -> tuple[JobId, ...]:
    """Order jobs so that each comes after its needs; among equals as they are written. There must be no cycle."""
    return tuple(TopologicalSorter(needs).static_order())


def check(spec: WorkflowSpec, document: Mapping[str, object]) -> list[Problem]:
    """Find what is wrong with the needs. `document` tells of jobs that had to be left out of `spec`."""
    written = document.get("jobs")
    known = [*spec.jobs, *(written if isinstance(written, dict) else ())]
    graph: Graph = {job_id: needs_of(job) for job_id, job in spec.jobs.items()}
    found = [*_each_need(spec, known)]
    cycles = _cycles(graph)
    stuck = {job_id for cycle in cycles for job_id in cycle}
    for cycle in cycles:
        first = cycle[0]
        field = "needs" if graph[first][0:1] and spec.jobs[first].needs else "requires"
        found.append(Problem(("spec", "jobs", first, field), f"a cycle: {' → '.join((*cycle, first))}"))
    lost = stuck | {job_id for job_id, needs in graph.items() if any(need not in known for need in needs)}
    found += _unreachable(graph, lost)
    return found


def _each_need(spec: WorkflowSpec, known: list[JobId]) -> list[Problem]:
    found = []
    for job_id, job in spec.jobs.items():
        for field, needs in (("needs", job.needs), ("requires", job.requires)):
            for index, need in enumerate(needs):
                path = ("spec", "jobs", job_id, field, index)
                if need not in known:
                    others = [other for other in known if other != job_id]
                    found.append(Problem(path, f"no job {quote(need)}", closest(need, others)))
                elif need in needs[:index]:
                    found.append(Problem(path, f"{quote(need)} is listed twice"))
        if job.needs and job.requires:
            said = "write needs or requires, not both: they are the same"
            found.append(Problem(("spec", "jobs", job_id, "requires"), said))
    return found


def _cycles(graph: Graph) -> list[tuple[JobId, ...]]:
    """Find cycles, no job in two of them, each starting at its job that is written first. Linear, not recursive."""
    found: list[tuple[JobId, ...]] = []
    done: set[JobId] = set()
    for start in graph:
        path: list[JobId] = []
        on_path: dict[JobId, int] = {}
        stack = [(start, iter(graph[start]))] if start not in done else []
        if stack:
            path, on_path = [start], {start: 0}
        while stack:
            at, rest = stack[-1]
            need = next((each for each in rest if each in graph and each not in done), None)
            if need is None:
                stack.pop()
                done.add(at)
                on_path.pop(at)
                path.pop()
            elif need in on_path:
                cycle = path[on_path[need] :]
                if not any(each in earlier for earlier in found for each in cycle):
                    found.append(_from_first(cycle, graph))
            else:
                stack.append((need, iter(graph[need])))
                on_path[need] = len(path)
                path.append(need)
    return found


def _from_first(cycle: list[JobId], graph: Graph) -> tuple[JobId, ...]:
    written = {job_id: index for index, job_id in enumerate(graph)}
    at = cycle.index(min(cycle, key=written.__getitem__))
    return (*cycle[at:], *cycle[:at])


def _unreachable(graph: Graph, lost: set[JobId]) -> list[Problem]:
    """Name the jobs that wait, over any number of others, for one that can never run."""
    dependants: dict[JobId, list[JobId]] = {}
    for job_id, needs in graph.items():
        for need in needs:
            dependants.setdefault(need, []).append(job_id)
    because: dict[JobId, JobId] = {}
    open_ends = [job_id for job_id in graph if job_id in lost]
    while open_ends:
        at = open_ends.pop()
        for dependant in dependants.get(at, ()):
            if dependant not in lost and dependant not in because:
                because[dependant] = at
                open_ends.append(dependant)
    return [
        Problem(("spec", "jobs", job_id), f"unreachable: it needs {quote(because[job_id])}, which can never run")
        for job_id in graph
        if job_id in because
    ]
