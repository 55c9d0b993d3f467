"""What must be true whatever was done to the operator: nothing lost, nothing doubled, nothing stuck."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from e2e.faults.load import read_overlaps, read_record
from e2e.support.documents import differences
from e2e.support.sandbox import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from e2e.faults.load import Case, Line
    from e2e.support.audit import Request
    from e2e.support.kubectl import Json


_ADMIN: Final = "fairlead-admin"
"""Who our operators are for the API server."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known after the end. `requests` are all that the API server was asked of the namespace.

    `again`: Jobs and Pods were taken away, so work may have been done again, in another attempt. `taken` names the
    workflows whose ends were looked at before, and which were deleted then.
    """

    cases: Sequence[Case]
    workflows: Sequence[Json]
    jobs: Sequence[Json]
    requests: Sequence[Request]
    record: Path
    again: bool = False
    taken: frozenset[str] = frozenset()


def findings(facts: Facts) -> list[str]:
    """Tell all that isn't as it must be; nothing is the aim."""
    lines = read_record(facts.record)
    return [
        *wrong_ends([case for case in facts.cases if case.name not in facts.taken], facts.workflows),
        *_made_twice(facts.requests),
        *_made_by_others(facts.requests),
        *_ran_twice(lines),
        *_worked_otherwise(facts, lines),
        *read_overlaps(facts.record),
        *left_over(facts),
    ]


def unended(cases: Iterable[Case], workflows: Iterable[Json]) -> list[str]:
    """Name the workflows that haven't ended."""
    phases = {each["metadata"]["name"]: each.get("status", {}).get("phase") for each in workflows}
    return [case.name for case in cases if phases.get(case.name) not in ENDED]


def wrong_ends(cases: Iterable[Case], workflows: Iterable[Json]) -> list[str]:
    """Tell which of them haven't ended, or otherwise than they have to."""
    found = {each["metadata"]["name"]: each.get("status", {}) for each in workflows}
    wrong = []
    for case in cases:
        status = found.get(case.name, {})
        if status.get("phase") not in ENDED:
            wrong.append(f"{case.name} is stuck: {status.get('phase')}: {status.get('message')}")
        elif status["phase"] not in case.phases:
            wrong.append(f"{case.name} is {status['phase']}: {status.get('message')}")
        else:
            wrong += differences(status, case.status, case.name)
    return wrong


def _made_twice(requests: Iterable[Request]) -> list[str]:
    """Find Jobs and called Workflows that were made more than once; the name says which attempt it is."""
    made = Counter(
        (each.resource, _name(each))
        for each in requests
        if each.verb == "create" and each.resource in ("jobs", "workflows") and each.code == 201
    )
    return [f"{resource} {name} was made {times} times" for (resource, name), times in made.items() if times > 1]


def _made_by_others(requests: Iterable[Request]) -> list[str]:
    """Find another operator at work, beside which nothing that was seen here says anything."""
    made = Counter(each.user for each in requests if each.verb == "create" and each.resource == "jobs")
    return [f"{times} Jobs were made by {user}, not by us" for user, times in made.items() if user != _ADMIN]


def _name(request: Request) -> str:
    return request.name or "?"


def _ran_twice(lines: Iterable[Line]) -> list[str]:
    pods: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for line in lines:
        pods[line.workflow, line.node, line.job].append(line.pod)
    return [
        f"{workflow}: {node} ran {len(found)} times in the Job {job}: {', '.join(found)}"
        for (workflow, node, job), found in pods.items()
        if len(found) > 1
    ]


def _worked_otherwise(facts: Facts, lines: Iterable[Line]) -> list[str]:
    """Compare how many attempts at each node worked with how many must have."""
    worked: dict[str, Counter[str]] = defaultdict(Counter)
    for workflow, node, _ in {(line.workflow, line.node, line.job) for line in lines}:
        worked[workflow][node] += 1
    wrong = []
    for case in facts.cases:
        found = worked[case.name]
        for node in sorted({*found, *case.works}):
            least, most = case.works[node], case.works[node] + case.may_work[node]
            if found[node] < least or (found[node] > most and not facts.again):
                wrong.append(f"{case.name}: {node} worked {found[node]} times instead of {most}")
    return wrong


def left_over(facts: Facts) -> list[str]:
    """Find Jobs that still work, though their workflow has ended."""
    ended = {case.name for case in facts.cases}
    names = {each["metadata"]["name"] for each in facts.workflows if each.get("status", {}).get("phase") in ENDED}
    return [
        f"the Job {job['metadata']['name']} of {owner} still works"
        for job in facts.jobs
        if (owner := job["metadata"]["labels"].get("fairlead.dev/workflow")) in ended & names
        and job.get("status", {}).get("active")
        and "deletionTimestamp" not in job["metadata"]
    ]
