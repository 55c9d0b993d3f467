"""Which logs somebody asks for: of a job, a combination, a step, a run, an attempt, a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.engine.runs import NotFoundError
from fairlead.model.problem import closest, one_line, quote
from fairlead.view.nodes import nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fairlead.engine.runs import Found, Log
    from fairlead.model.ids import NodeId
    from fairlead.view.nodes import Shown

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for. `job` may be `JOB/COMBINATION`: a name, what is in its brackets, or else a number from 0."""

    job: str | None = None
    step: str | None = None
    run: int | None = None
    attempt: int | None = None
    service: str | None = None

    def is_past(self, found: Found) -> bool:
        """Whether it is an earlier run's."""
        return self.run is not None and self.run != found.record.resource.status.run

    def check(self, found: Found) -> None:
        """Raise NotFoundError where the spec has no such job, and the status no such combination."""
        if self.job is None:
            return
        name, _, combination = self.job.partition("/")
        status = found.record.resource.status
        jobs = found.record.spec.get("jobs")
        known = [*status.jobs, *(jobs if isinstance(jobs, dict) else ())]
        if name not in known:
            raise NotFoundError(f"{found.name} has no job {quote(name)}{_hint(name, known)}")
        shown = [each for each in nodes(status) if each.node.job == name]
        if combination and shown and not any(_is_combination(each, combination) for each in shown):
            titles = [each.title for each in shown]
            raise NotFoundError(
                f"the job {quote(name)} has no combination {quote(combination)}{_hint(combination, titles)}"
            )

    def is_matrix(self, found: Found) -> bool:
        """Whether the job has combinations, and none of them was named."""
        name, _, combination = (self.job or "").partition("/")
        job = found.record.resource.status.jobs.get(name)  # type: ignore[call-overload]  # as somebody wrote it
        return not combination and (job is None or bool(job.combinations))

    def takes(self, shown: Shown) -> bool:
        """Whether a node is asked for."""
        if self.job is None:
            return True
        name, _, combination = self.job.partition("/")
        return shown.node.job == name and (not combination or _is_combination(shown, combination))

    def of(self, found: Found, logs: Sequence[Log]) -> list[Log]:
        """Choose among logs: of the newest run, and of each node the newest attempt, unless others were named.

        Raises NotFoundError where nothing of that kind was ever there.
        """
        if not self.is_past(found):
            self.check(found)
        chosen = [log for log in logs if self._takes(found, log)]
        if self.service is not None:
            services = {log.service for log in chosen if log.service is not None}
            chosen = [log for log in chosen if log.service == self.service]
            if not chosen and services:
                known = sorted(services)
                raise NotFoundError(f"there is no service {quote(self.service)}{_hint(self.service, known)}")
        else:
            chosen = [log for log in chosen if log.service is None]
        resource = found.record.resource
        places = {each.node: at for at, each in enumerate(nodes(resource.status, found.record.spec))}
        chosen.sort(key=lambda log: (places.get(log.node, len(places)), log.attempt))
        if self.attempt is not None:
            return [log for log in chosen if log.attempt == self.attempt]
        newest: dict[NodeId, int] = {}
        for log in chosen:
            newest[log.node] = max(newest.get(log.node, 0), log.attempt)
        return [log for log in chosen if log.attempt == newest[log.node]]

    def label(self, found: Found, shown: Shown | None) -> str | None:
        """Give the label of the step that is asked for, as a node's log has it.

        Raises NotFoundError where the job was named, and has none like it.
        """
        if self.step is None or shown is None:
            return self.step
        if not shown.state.steps:
            return self._declared(found, shown) or self.step
        for step in shown.state.steps:
            if self.step in (step.id, step.name):
                return step.name
        if self.job is None:
            return self.step
        known = [step.id or step.name for step in shown.state.steps]
        raise NotFoundError(f"{shown.title} has no step {quote(self.step)}{_hint(self.step, known)}")

    def _declared(self, found: Found, shown: Shown) -> str | None:
        """Find the name of the step with an id in the spec: the status has none of a job that works."""
        try:
            steps = found.record.spec["jobs"][shown.node.job]["steps"]
            return next((str(each["name"]) for each in steps if each.get("id") == self.step and "name" in each), None)
        except (KeyError, TypeError, AttributeError):
            return None

    def is_over(self, found: Found) -> bool:
        """Whether nothing more will be written by what is asked for, though other jobs may go on."""
        chosen = [each for each in nodes(found.record.resource.status) if self.job is not None and self.takes(each)]
        return bool(chosen) and all(each.state.phase.ended for each in chosen)

    def shown(self, found: Found, log: Log) -> Shown | None:
        """Find a log's node in the status, if that tells of the run which the log is of."""
        found_there = (each for each in nodes(found.record.resource.status) if each.node == log.node)
        return next((each for each in found_there if each.run == log.run), None)

    def _takes(self, found: Found, log: Log) -> bool:
        shown = self.shown(found, log)
        if not self.is_past(found):
            return shown is not None and self.takes(shown)
        if log.run != self.run or self.job is None:
            return log.run == self.run
        if shown is not None:
            return self.takes(shown)
        name, _, combination = self.job.partition("/")
        return log.node.job == name and combination in ("", str(log.node.combination))


def missing(found: Found, choice: Choice, logs: Iterable[Log]) -> str | None:
    """Say of the jobs that have worked, and are asked for, whose logs are no longer there."""
    status = found.record.resource.status
    if choice.is_past(found):
        left = any(log.run == choice.run for log in logs)
        return None if left else f"nothing is left of the logs of run {choice.run}: their Pods were deleted"
    there = {(log.node, log.run, log.attempt) for log in logs}
    said = []
    for shown in nodes(status):
        log = shown.log
        if log is None or not choice.takes(shown) or choice.attempt is not None:
            continue
        if (log.node, log.run, log.attempt) not in there:
            said.append(shown.title)
    if not said:
        return None
    more = f" and {len(said) - _MOST_NAMED} more" if len(said) > _MOST_NAMED else ""
    whose, verb = ("logs", "are") if len(said) > 1 else ("log", "is")
    pods = "their Pods were" if len(said) > 1 else "its Pod was"
    return f"the {whose} of {', '.join(said[:_MOST_NAMED])}{more} {verb} gone: {pods} deleted"


def _is_combination(shown: Shown, wanted: str) -> bool:
    named = [wanted in (title, title.partition("(")[2].removesuffix(")")) for title in shown.siblings]
    # A value may be a number, too, and is what people see.
    return named[shown.node.combination or 0] if any(named) else wanted == str(shown.node.combination)


def _hint(wrong: str, known: Sequence[str]) -> str:
    meant = closest(wrong, known)
    if meant is not None:
        return f"; did you mean {quote(meant)}?"
    return f"; there are {', '.join(one_line(each) for each in known[:_MOST_NAMED])}" if known else ""
