"""Runs of this machine, as they are recorded."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from fairlead.engine.runs import Found, Log, NotFoundError
from fairlead.kube.reduce import job_record, workflow_record
from fairlead.local.cluster import annotated
from fairlead.local.records import apply, cut_off, cut_off_record
from fairlead.local.session import now
from fairlead.local.state import State, state_home
from fairlead.model.problem import closest, quote
from fairlead.model.status import WorkflowStatus
from fairlead.plan.runs import CANCEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from fairlead.local.state import Json

_POLL: Final = 0.05
"""Seconds between two looks at a file."""

_PIECE: Final = 64 * 1024


class LocalRuns:
    """Implements `engine.runs.Runs` over the state folder. It runs nothing: `local.session` does."""

    where = "this machine"

    def __init__(self, state: State) -> None:
        self._state = state

    @classmethod
    def of_this_machine(cls) -> LocalRuns:
        """Give those of the user."""
        return cls(State(state_home(os.environ)))

    async def list(self) -> Sequence[Found]:
        """Read them all."""
        documents = [document for name in self._state.names() if (document := self._state.read(name))]
        found = [self._found(document) for document in documents]
        return sorted(found, key=lambda each: (_time_of(each), each.name), reverse=True)

    async def get(self, name: str) -> Found:
        """Read one."""
        document = self._state.read(name)
        if document is None:
            raise self._unknown(name)
        return self._found(document)

    async def follow(self, name: str) -> AsyncIterator[Found]:
        """Look again and again, at one small number as long as nothing has changed."""
        before: Found | None = None
        seen = -1
        while True:
            version, seen = seen, self._state.version()
            if version != seen or before is None or not self._state.is_owned(name):
                document = self._state.read(name)
                if document is None:
                    break
                found = self._found(document)
                if before is None or found.record != before.record:
                    before = found
                    yield found
            await asyncio.sleep(_POLL)
        if before is None:
            raise self._unknown(name)

    async def logs(self, found: Found) -> Sequence[Log]:
        """Name what the state folder has."""
        name = found.name
        logs = []
        for document in self._state.jobs(name):
            record = job_record(document)
            if record is None or record.owner != found.record.resource.uid:
                continue
            job = record.job
            main = Log(job.node, job.attempt, job.run, job.name)
            services = sorted((self._state.job_folder(name, job.name) / "services").glob("*.log"))
            logs.append((main, [Log(job.node, job.attempt, job.run, job.name, each.stem) for each in services]))
        order = list(found.record.resource.status.jobs)
        place = {job: index for index, job in enumerate(order)}

        def key(each: tuple[Log, list[Log]]) -> tuple[int, int, int, int]:
            log = each[0]
            combination = log.node.combination
            return log.run, place.get(log.node.job, len(place)), -1 if combination is None else combination, log.attempt

        return [log for main, services in sorted(logs, key=key) for log in (main, *services)]

    async def read(self, found: Found, log: Log, *, follow: bool = False) -> AsyncIterator[bytes]:
        """Read a file, and what is added to it while its attempt works."""
        folder = self._state.job_folder(found.name, log.job_name)
        path = folder / "log" if log.service is None else folder / "services" / f"{log.service}.log"
        while follow and not path.exists() and self._works(found.name, folder):  # noqa: ASYNC110  another may write it
            await asyncio.sleep(_POLL)
        try:
            file = path.open("rb")
        except OSError as error:
            raise NotFoundError(f"there is no log of {log.job_name} (any more)") from error
        with file:
            while True:
                # In this order, so that what is written last is read.
                works = follow and self._works(found.name, folder)
                while piece := file.read(_PIECE):
                    yield piece
                if not works:
                    return
                await asyncio.sleep(_POLL)

    async def annotate(self, name: str, annotations: Mapping[str, str]) -> Found:
        """Write them down. Who cancels what nobody runs any more ends it at once."""
        if self._state.read(name) is None:
            raise self._unknown(name)
        dead = CANCEL in annotations and not self._state.is_owned(name)

        def change(document: Json) -> Json:
            if dead:
                document = cut_off_record(document, now())
            return annotated(document, annotations)

        return self._found(self._state.change(name, change))

    async def apply(self, resource: Mapping[str, Any]) -> Found:
        """Record it as its next run, which somebody still has to run."""
        return self._found(apply(self._state, resource, now()))

    def _found(self, document: Json) -> Found:
        """Tell of a Workflow; what was cut off shows as what it is."""
        metadata = document["metadata"]
        if not self._state.is_owned(metadata["name"]):
            status = WorkflowStatus.from_json(document.get("status") or {})
            if status.run is not None and not status.ended:
                document = {**document, "status": cut_off(status, status.started_at or now()).to_json()}
        created = metadata.get("creationTimestamp")
        return Found(
            workflow_record(document), datetime.fromisoformat(created) if created else None, metadata.get("labels", {})
        )

    def _works(self, name: str, folder: Path) -> bool:
        return (folder / "works").exists() and self._state.is_owned(name)

    def _unknown(self, name: str) -> NotFoundError:
        meant = closest(name, self._state.names())
        hint = f"; did you mean {quote(meant)}?" if meant else ""
        return NotFoundError(f"no Workflow {quote(name)} was run on this machine{hint}")


def _time_of(found: Found) -> float:
    moment = found.record.resource.status.started_at or found.created_at
    return moment.timestamp() if moment else 0.0
