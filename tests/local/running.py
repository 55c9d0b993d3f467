"""Workflows run for real: in this process, or in one of their own, with a folder for what is recorded of them."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairlead.local.host import HostRuntime
from fairlead.local.session import Session, Settings
from fairlead.local.values import Values
from fairlead.model.ids import JobId
from fairlead.render.job import LABEL_ATTEMPT, LABEL_COMBINATION, LABEL_JOB, LABEL_RUN
from tests.local.processes import PATIENCE, python

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fairlead.local.runtime import Runtime
    from fairlead.local.state import State
    from fairlead.model.status import JobStatus, NodeStatus, WorkflowStatus
    from tests.local.processes import Process

Json = dict[str, Any]

VARIABLES = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
"""The user's, whoever that is."""

_FRAME = re.compile(r"::(?:end)?group::")


@dataclass(slots=True)
class Machine:
    """This machine. `told` hears of what goes wrong around runs."""

    state: State
    workspace: Path
    values: Values = field(default_factory=Values)
    templates: Mapping[str, Json] = field(default_factory=dict)
    parallel: int = 8
    shared: bool = True
    told: list[str] = field(default_factory=list)

    def record(self, spec: Json, name: str = "ci", **metadata: object) -> str:
        """Record a Workflow to be run."""
        document = {"metadata": {"name": name, **metadata}, "spec": spec}
        made = self.state.create(document)["metadata"]["name"]
        assert isinstance(made, str)
        return made

    def annotate(self, name: str, **annotations: str) -> None:
        """Ask for something by annotations `fairlead.dev/…`."""

        def change(old: Json) -> Json:
            found = {f"fairlead.dev/{key}": value for key, value in annotations.items()}
            metadata = old["metadata"]
            return {**old, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **found}}}

        self.state.change(name, change)

    def session(self, name: str, runtime: Runtime | None = None) -> Session:
        """Give what runs it in this process."""
        settings = Settings(
            workspace=self.workspace,
            parallel=self.parallel,
            shared=self.shared,
            values=self.values,
            templates=self.templates,
        )
        return Session(self.state, name, runtime or HostRuntime(VARIABLES), settings, failed=self.told.append)

    async def carry_on(self, name: str) -> WorkflowStatus:
        """Run what is recorded, to its end."""
        async with asyncio.timeout(PATIENCE):
            return await self.session(name).run()

    async def run(self, spec: Json, name: str = "ci", **metadata: object) -> WorkflowStatus:
        """Record a Workflow and run it."""
        return await self.carry_on(self.record(spec, name, **metadata))

    def apart(self, name: str) -> Process:
        """Run it in a process of its own, which prints the last status, or what was wrong; SIGINT cancels."""
        return python(_APART, self.state.folder, name, self.workspace, self.parallel)

    def status(self, name: str = "ci") -> Json:
        """Give what is recorded."""
        document = self.state.read(name)
        return (document or {}).get("status") or {}

    def log(
        self, job: str = "a", name: str = "ci", *, run: int = 1, attempt: int = 1, combination: int | None = None
    ) -> str:
        """Give the log of an attempt."""
        wanted = {LABEL_JOB: job, LABEL_RUN: str(run), LABEL_ATTEMPT: str(attempt)}
        if combination is not None:
            wanted[LABEL_COMBINATION] = str(combination)
        for document in self.state.jobs(name):
            if wanted.items() <= document["metadata"]["labels"].items():
                path = self.state.job_folder(name, document["metadata"]["name"]) / "log"
                return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        return ""

    def lines(self, job: str = "a", name: str = "ci", **which: Any) -> list[str]:  # noqa: ANN401  as for `log`
        """Give what an attempt's steps have printed, without the driver's frames."""
        log = (
            self.log(job, name, **which).replace("::endgroup::\n", "\n::endgroup::\n").replace("\n\n::endg", "\n::endg")
        )
        return [line for line in log.splitlines() if not _FRAME.match(line)]

    def left(self) -> list[str]:
        """Name what runs have left but what is to be kept of them."""
        runs = self.state.folder / "runs"
        # `.new` is what a process was about to write when it was killed; the next write takes its place.
        kept = re.compile(
            r"[^/]+(/(workflow\.json(\.new)?|owner|sweep|jobs(/[^/]+(/(log|job\.json|services(/[^/]+)?))?)?))?"
        )
        names = (str(path.relative_to(runs)) for path in runs.rglob("*"))
        return sorted(name for name in names if not kept.fullmatch(name))


_APART = """
import asyncio, json, os, signal, sys
from pathlib import Path
from fairlead.engine.errors import RefusedError
from fairlead.local.host import HostRuntime
from fairlead.local.processes import adopt, end_adopted
from fairlead.local.session import Session, Settings
from fairlead.local.state import State

async def main(folder, name, workspace, parallel):
    adopt()
    settings = Settings(workspace=Path(workspace), parallel=int(parallel), shared=True)
    session = Session(State(Path(folder)), name, HostRuntime(os.environ), settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, session.cancel)
    print(json.dumps((await session.run()).to_json()))

try:
    asyncio.run(main(*sys.argv[1:]))
except RefusedError as error:
    print(json.dumps({"error": error.message}))
finally:
    end_adopted(set())
"""


def said(process: Process) -> Json:
    """Give what a process of `apart` has printed, once it has ended."""
    output, _ = process.communicate(timeout=PATIENCE)
    found: Json = json.loads(output)
    return found


def job(*scripts: str, **fields: object) -> Json:
    """Give a job of some steps."""
    steps = {"steps": [{"run": script} for script in scripts]} if scripts else {}
    return {"image": "busybox", "shell": "sh", **steps, **fields}


def spec(jobs: Mapping[str, Json], **fields: object) -> Json:
    """Give a workflow."""
    return {**fields, "jobs": dict(jobs)}


def phases(status: WorkflowStatus) -> Json:
    """Give the phase of each job, with its reason where there is one; of a matrix those of its combinations."""
    return {
        str(name): [_phase(each) for each in state.combinations] if state.combinations else _phase(state)
        for name, state in status.jobs.items()
    }


def _phase(state: NodeStatus) -> str:
    return f"{state.phase} {state.reason}" if state.reason else str(state.phase)


def state_of(status: WorkflowStatus, job: str = "a") -> JobStatus:
    """Give the status of a job."""
    return status.jobs[JobId(job)]


def steps(status: WorkflowStatus, job: str = "a") -> list[tuple[str, int | None]]:
    """Give the result and the exit code of each of a job's steps."""
    return [(str(each.result), each.exit_code) for each in state_of(status, job).steps]
