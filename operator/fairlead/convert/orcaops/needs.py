"""What a job of OrcaOps comes after, and what it says that it runs beside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fairlead.convert.part import Part
    from fairlead.model.problem import Path

_NAMES: Final = ("job_name", "job", "name")


class After(StrEnum):
    """How a job that is required has to end."""

    SUCCESS = "success"
    FAILURE = "failure"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Need:
    """One required job, and its place."""

    job: str
    after: After
    path: Path


@dataclass(frozen=True, slots=True)
class Needs:
    """All jobs that one requires."""

    needs: tuple[Need, ...]

    @staticmethod
    def of(job: Part) -> Needs:
        """Read `requires`, and `after`, which OrcaOps announces beside it."""
        if not isinstance(job.value, dict):
            return Needs(())
        found: dict[str, Need] = {}
        for field in ("requires", "after"):
            part = job.get(field)
            for need in _read(part) if part is not None else ():
                found.setdefault(need.job, need)
            if part is not None and field == "after":
                part.notes.approximated(part.path, "after: taken as requires: it starts after their success")
        return Needs(tuple(found.values()))

    @property
    def jobs(self) -> tuple[str, ...]:
        """The required jobs' names."""
        return tuple(need.job for need in self.needs)


def _read(part: Part) -> Iterator[Need]:
    entries = part.elements() if not isinstance(part.value, dict) else [part]
    for each in entries:
        name = each if not isinstance(each.value, dict) else next(filter(None, map(each.get, _NAMES)), None)
        written = each.get("condition")
        after = str(written.value) if written is not None else After.SUCCESS
        if name is None or (text := name.text()) is None:
            if name is None:
                each.refuse("a job that is required is a name, or {job_name: NAME, condition: success}")
        elif after not in list(After):
            each.refuse(f"{quote(after)} is no condition; write {', '.join(After)}")
        else:
            yield Need(text, After(after), each.path)


def check_parallel(name: str, job: Part, needs: Mapping[str, Needs]) -> None:
    """Check that the jobs in `parallel_with` exist, and that no order keeps them from running at the same time."""
    part = job.get("parallel_with")
    if part is None:
        return
    for each in part.elements():
        other = each.text()
        if other is None:
            continue
        if other not in needs:
            meant = closest(other, (known for known in needs if known != name))
            each.refuse(f"no job {quote(other)}" + (f"; did you mean {quote(meant)}?" if meant else ""))
        elif other == name:
            each.refuse("a job always runs beside itself; name another one")
        elif other in _before(name, needs) or name in _before(other, needs):
            first, second = (other, name) if other in _before(name, needs) else (name, other)
            each.refuse(f"they never run side by side: {quote(second)} requires {quote(first)}")
        else:
            each.notes.mapped(
                each.path, "parallel_with: nothing keeps the two from running at the same time, so that isn't written"
            )


def _before(name: str, needs: Mapping[str, Needs]) -> set[str]:
    """Give all jobs that come before one, over any number of others."""
    found: set[str] = set()
    pending = [name]
    while pending:
        for need in needs.get(pending.pop(), Needs(())).jobs:
            if need not in found:
                found.add(need)
                pending.append(need)
    return found
