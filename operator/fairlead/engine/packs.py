"""Packs, as the engine sees them: each attempt of one as if it were alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fairlead.plan import JobFailure

if TYPE_CHECKING:
    from fairlead.plan import KubernetesJob


@dataclass(frozen=True, slots=True)
class PackState:
    """Which combination each completion index of an Indexed Job stands for, and which indexes are over."""

    combinations: tuple[int, ...]
    complete: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()

    def attempt(self, whole: KubernetesJob, index: int | None) -> KubernetesJob | None:
        """Give one attempt of what is told of the `whole` Job; None where there is none of that index."""
        if index is None or index >= len(self.combinations):
            return None
        complete = whole.complete or index in self.complete
        failure = whole.failure or (JobFailure("FailedIndexes") if index in self.failed else None)
        return replace(
            whole,
            node=whole.node._replace(combination=self.combinations[index]),
            complete=complete,
            failure=None if complete else failure,
            index=index,
        )
