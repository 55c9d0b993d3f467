"""The graph of needs: unknown ones, cycles, what can't be reached, and the order."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from fairlead.model.problem import Problem, closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.model.ids import JobId
    from fairlead.model.spec import Body, Job

Graph = dict["JobId", tuple["JobId", ...]]


def needs_of(job: Job) -> tuple[JobId, ...]:
    """Give what a job needs, under either name, each once."""
    return tuple(dict.fromkeys((*job.needs, *job.requires)))


def order(needs: Mapping[JobId, tuple[JobId, ...]]) -> tuple[JobId, ...]:
    """Order jobs so that each comes after its needs; among equals as they are written. There must be no cycle."""
    return tuple(TopologicalSorter(needs).static_order())


def check(spec: Body, document: Mapping[str, object]) -> Iterator[Problem]:
    """Find what is wrong with the needs. `document` tells of jobs that had to be left out of `spec`."""
    written = document.get("jobs")
    known = dict.fromkeys([*spec.jobs, *(written if isinstance(written, dict) else ())])
    graph: Graph = {job_id: needs_of(job) for job_id, job in spec.jobs.items()}
    cycles = _cycles(graph)
    for cycle in cycles:
        first = cycle[0]
        field = "needs" if spec.jobs[first].needs else "requires"
        yield Problem(("spec", "jobs", first, field), f"a cycle: {' → '.join((*cycle, first))}")
    stuck = {job_id for cycle in cycles for job_id in cycle}
    lost = stuck | {job_id for job_id, needs in graph.items() if any(need not in known for need in needs)}
    yield from _unreachable(graph, lost)
    yield from _each_need(spec, known)


def _each_need(spec: Body, known: Mapping[JobId, None]) -> Iterator[Problem]:
    for job_id, job in spec.jobs.items():
        for field, needs in (("needs", job.needs), ("requires", job.requires)):
            seen: set[JobId] = set()
            for index, need in enumerate(needs):
                path = ("spec", "jobs", job_id, field, index)
                if need not in known:
                    yield Problem(
                        path, f"no job {quote(need)}", closest(need, (each for each in known if each != job_id))
                    )
                elif need in seen:
                    yield Problem(path, f"{quote(need)} is listed twice")
                seen.add(need)
        if job.needs and job.requires:
            said = "write needs or requires, not both: they are the same"
            yield Problem(("spec", "jobs", job_id, "requires"), said)


def _cycles(graph: Graph) -> list[tuple[JobId, ...]]:
    """Find cycles, no job in two of them, each starting at its job that is written first. Linear, not recursive."""
    found: list[tuple[JobId, ...]] = []
    done: set[JobId] = set()
    in_cycle: set[JobId] = set()
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
                if not any(each in in_cycle for each in cycle):
                    found.append(_from_first(cycle, graph))
                    in_cycle.update(cycle)
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
