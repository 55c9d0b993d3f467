"""What is drawn: a box for each job, and an arrow for each need that isn't said by others already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.model.problem import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairlead.plan.forecast import Forecast, JobForecast, Outlook

_MOST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Box:
    """A job: its id, how many nodes it is (None: not known before other jobs have run), and what is said of it."""

    id: str
    name: str
    count: int | None
    is_matrix: bool
    outlook: Outlook
    kind: str = ""
    condition: str | None = None

    @property
    def times(self) -> str:
        """Say how many combinations there are, after a sign for "times"; '' for a job that is one node."""
        if not self.is_matrix:
            return ""
        return f"×{self.count if self.count is not None else '?'}"  # noqa: RUF001  the sign for "times"


@dataclass(frozen=True, slots=True)
class Dag:
    """The boxes in an order in which each comes after its needs, and the needs by box.

    `needs` are all, as they are written; `arrows` only those that no longer way through others implies.
    """

    boxes: tuple[Box, ...]
    needs: Mapping[str, tuple[str, ...]]
    arrows: Mapping[str, tuple[str, ...]]
    waves: tuple[tuple[str, ...], ...]


def dag_of(found: Forecast) -> Dag:
    """Give what is drawn of a workflow."""
    boxes = tuple(_box(job) for job in found.jobs)
    needs = {str(job.id): tuple(map(str, job.needs)) for job in found.jobs}
    waves = tuple(tuple(str(job.id) for job in wave) for wave in found.waves)
    return Dag(boxes, needs, reduced(needs), waves)


def _box(job: JobForecast) -> Box:
    is_matrix = job.matrix_from is not None or any(node.matrix is not None for node in job.nodes)
    kind = "check" if job.check is not None else f"uses {job.uses}" if job.uses is not None else ""
    return Box(
        id=job.id,
        name=one_line(job.name, _MOST_LABEL),
        count=len(job.nodes) or None,
        is_matrix=is_matrix,
        outlook=job.outlook,
        kind=one_line(kind, _MOST_LABEL),
        condition=job.condition,
    )


def reduced(needs: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Leave out each need that another need needs, over any number of jobs. Jobs come after their needs."""
    # A set of jobs is a number with a bit for each, which makes five hundred of them quick.
    bits = {job: 1 << index for index, job in enumerate(needs)}
    before: dict[str, int] = {}
    found: dict[str, tuple[str, ...]] = {}
    for job, own in needs.items():
        behind = 0
        for need in own:
            behind |= before[need]
        found[job] = tuple(need for need in own if not behind & bits[need])
        before[job] = behind
        for need in own:
            before[job] |= bits[need]
    return found
