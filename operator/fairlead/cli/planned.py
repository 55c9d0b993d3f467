"""A forecast and a difference, for people and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from fairlead.cli.lint import counted
from fairlead.model.duration import format_duration
from fairlead.model.problem import one_line
from fairlead.model.status import format_time
from fairlead.plan.difference import Effect, works
from fairlead.plan.forecast import Outlook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fairlead.model.ids import JobId
    from fairlead.plan.critical_path import CriticalPath
    from fairlead.plan.difference import Difference
    from fairlead.plan.forecast import Forecast, JobForecast
    from fairlead.plan.observed import Resource

_COLOURS: Final = {Outlook.RUNS: "green", Outlook.SKIPPED: "dim", Outlook.DEPENDS: "yellow"}
_MOST_COMBINATIONS: Final = 12
_MOST_TEXT: Final = 160
_MOST_ID: Final = 28
_MOST_ON_PATH: Final = 20


def plan_lines(name: str, found: Forecast, path: CriticalPath) -> Iterator[Text]:
    """Show a forecast: its waves, in each the jobs with what is known of them, and the critical path."""
    yield Text.assemble((one_line(name), "bold"), f": {_totals(found)}")
    yield from (Text(f"  {line}", style="dim") for line in _settings(found))
    width = min(_MOST_ID, max((len(job.id) for job in found.jobs), default=0))
    for wave in found.waves:
        yield Text(f"\nwave {wave[0].wave}", style="bold")
        for job in wave:
            yield from _job(job, width)
    if path.jobs:
        took = f"about {format_duration(path.seconds)}" if path.seconds is not None else counted(len(path.jobs), "job")
        yield Text.assemble("\n", ("critical path", "bold"), f": {_path(path.jobs)} ({took})")


def _path(jobs: Sequence[JobId]) -> str:
    """Write a path; of a long one its ends."""
    shown = jobs if len(jobs) <= _MOST_ON_PATH else (*jobs[: _MOST_ON_PATH // 2], "…", *jobs[-_MOST_ON_PATH // 2 :])
    return " → ".join(shown)


def _totals(found: Forecast) -> str:
    combined = sum(len(job.nodes) for job in found.jobs)
    more = " or more" if any(job.matrix_from is not None for job in found.jobs) else ""
    many = f", {combined}{more} with their combinations," if more or combined > len(found.jobs) else ""
    return f"{counted(len(found.jobs), 'job')}{many} in {counted(len(found.waves), 'wave')}"


def _settings(found: Forecast) -> Iterator[str]:
    if found.suspended:
        yield "suspended: nothing starts until suspend is false"
    for schedule in found.schedules:
        yield f"scheduled: {one_line(schedule)}; an apply alone starts no run"
    if found.group is not None:
        yield f"one run at a time in the group {one_line(found.group)}"
    if found.max_parallel is not None:
        yield f"at most {found.max_parallel} at a time"


def _job(job: JobForecast, width: int) -> Iterator[Text]:
    row = Text("  ")
    row.append(f"{job.id:<{width}}", _COLOURS[job.outlook] if job.outlook is not Outlook.RUNS else "cyan")
    facts = [fact for fact in _facts(job) if fact]
    row.append(f"  {'  '.join(facts)}" if facts else "")
    row.rstrip()
    yield row
    indent = " " * (width + 4)
    if job.outlook is Outlook.SKIPPED:
        yield Text(f"{indent}skipped: {job.why}", style="dim")
    if job.trouble is not None:
        yield Text.assemble(indent, ("fails", "red"), f": {one_line(job.trouble)}")
    if job.remainder is not None:
        said = "depends on" if job.expected else "runs only if"
        yield Text.assemble(indent, (said, "yellow"), f" {one_line(job.remainder, _MOST_TEXT)}")
    if job.matrix_from is not None:
        yield Text.assemble(indent, ("matrix from", "yellow"), f" {one_line(job.matrix_from, _MOST_TEXT)}")
    if job.outlook is not Outlook.SKIPPED:
        yield from _combinations(job, indent)


def _facts(job: JobForecast) -> Iterable[str]:
    yield one_line(job.name, _MOST_TEXT) if job.name != job.id and "${{" not in job.name else ""
    if any(node.matrix is not None for node in job.nodes):
        most = f" ({job.max_parallel} at a time)" if job.max_parallel is not None else ""
        yield f"×{len(job.nodes)}{most}"  # noqa: RUF001  the sign for "times"
    yield f"after {', '.join(job.needs)}" if job.needs else ""
    yield f"check {one_line(job.check, _MOST_TEXT)}" if job.check is not None else ""
    yield f"uses {one_line(job.uses)}" if job.uses is not None else ""
    yield f"with {', '.join(map(one_line, job.services))}" if job.services else ""
    yield f"one at a time in {one_line(job.group)}" if job.group is not None else ""


def _combinations(job: JobForecast, indent: str) -> Iterator[Text]:
    named = [node for node in job.nodes if node.matrix is not None]
    for node in named[:_MOST_COMBINATIONS]:
        yield Text(f"{indent}· {one_line(node.name, _MOST_TEXT)}", style="dim")
    if len(named) > _MOST_COMBINATIONS:
        yield Text(f"{indent}· and {len(named) - _MOST_COMBINATIONS} more", style="dim")


def plan_document(name: str, found: Forecast, path: CriticalPath) -> dict[str, Any]:
    """Give a forecast as JSON has it: an entry for each combination."""
    troubles = [
        {"path": f"spec.jobs.{job.id}", "line": None, "column": None, "message": job.trouble}
        for job in found.jobs
        if job.trouble is not None
    ]
    return {
        "workflow": name,
        "jobs": [entry for job in found.jobs for entry in _entries(job)],
        "criticalPath": list(path.jobs),
        "criticalPathSeconds": path.seconds,
        "concurrency": found.group,
        "errors": troubles,
    }


def _entries(job: JobForecast) -> Iterator[dict[str, Any]]:
    nodes: list[tuple[str, Mapping[str, object] | None]] = [(node.name, node.matrix) for node in job.nodes]
    for name, matrix in nodes or [(job.name, None)]:
        yield {
            "id": job.id,
            "name": name,
            "needs": list(job.needs),
            "if": job.condition,
            "matrix": dict(matrix) if matrix is not None else None,
            "wave": job.wave,
            "outlook": str(job.outlook),
            "expected": job.expected,
            "dependsOn": job.remainder,
            "why": job.trouble or job.why,
            "matrixFrom": job.matrix_from,
            "image": job.image or None,
            "uses": job.uses,
            "check": job.check,
            "services": list(job.services),
            "concurrency": job.group,
        }


# Differences

_SAID: Final = {
    Effect.CREATES: "is not there: an apply makes it",
    Effect.NOTHING: "is there as it is: an apply does nothing",
    Effect.STEERS: "runs the same: an apply only changes how it is steered",
    Effect.RUNS: "changes: an apply starts run {run}",
    Effect.WAITS: "changes: the next run by the schedule is the first of the new spec",
}


def difference_lines(name: str, found: Difference, resource: Resource | None) -> Iterator[Text]:
    """Show what an apply would do: a line for each kind of thing, with the jobs."""
    said = _SAID[found.effect].format(run=found.run)
    yield Text.assemble((one_line(name), "bold"), f" {said}")
    working = works(found, resource) if resource is not None else ()
    waiting = tuple(each for each in found.cancels if each not in working)
    for colour, word, jobs in (
        ("red", "cancels", working),
        ("red", "drops, still waiting", waiting),
        ("green", "runs", found.runs),
        ("dim", "keeps", found.keeps),
    ):
        if jobs:
            yield _line(word, colour, jobs)
    for word, jobs in (("new", found.added), ("changed", found.changed), ("gone", found.removed)):
        if jobs and found.effect is not Effect.CREATES:
            yield _line(word, "cyan", jobs)
    if found.settings:
        yield _line("other fields", "cyan", found.settings)
    if found.next_run_at is not None:
        yield Text(f"  next run by the schedule: {format_time(found.next_run_at)}")


def _line(word: str, colour: str, names: Iterable[str]) -> Text:
    return Text.assemble("  ", (word, colour), f": {', '.join(names)}")


def difference_document(name: str, found: Difference, resource: Resource | None) -> dict[str, Any]:
    """Give a difference as JSON has it."""

    def listed(jobs: Iterable[JobId]) -> list[str]:
        return list(jobs)

    return {
        "workflow": name,
        "effect": str(found.effect),
        "run": found.run,
        "cancels": listed(found.cancels),
        "working": listed(works(found, resource)) if resource is not None else [],
        "keeps": listed(found.keeps),
        "runs": listed(found.runs),
        "added": listed(found.added),
        "removed": listed(found.removed),
        "changed": listed(found.changed),
        "settings": list(found.settings),
        "nextRunAt": format_time(found.next_run_at) if found.next_run_at is not None else None,
    }
