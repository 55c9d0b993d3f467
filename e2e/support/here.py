"""Workflows on this machine, each run in a process of its own, which may be killed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.testcluster.settings import REPOSITORY
from fairlead.local.container_engine import find_engine
from fairlead.local.containers import ContainerRuntime
from fairlead.local.session import Session, Settings
from fairlead.local.state import State
from fairlead.local.values import Values

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Here:
    """A state folder and a workspace. `environment` is that of the processes, `secrets` what they are given."""

    folder: Path
    environment: Mapping[str, str]
    engine: str = "podman"

    @property
    def workspace(self) -> Path:
        """The folder that jobs get a copy of."""
        return self.folder / "workspace"

    @property
    def state(self) -> State:
        """Where runs are recorded."""
        return State(self.folder / "state")

    def begin(self, jobs: Json, **settings: object) -> tuple[str, subprocess.Popen[str]]:
        """Record a Workflow with these jobs, and start a process that runs it; SIGINT cancels."""
        self.workspace.mkdir(exist_ok=True)
        document = self.state.create({"metadata": {"generateName": "ci-"}, "spec": {"jobs": jobs}})
        name: str = document["metadata"]["name"]
        given = json.dumps({"state": str(self.state.folder), "workspace": str(self.workspace), **settings})
        command = [sys.executable, "-m", "e2e.support.here", name, self.engine, given]
        process = subprocess.Popen(
            command, env=self.environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return name, process

    def run(self, jobs: Json, **settings: object) -> tuple[str, Json]:
        """Run a Workflow to its end, and give its name and its status."""
        name, process = self.begin(jobs, **settings)
        return name, self.end(process)

    def end(self, process: subprocess.Popen[str]) -> Json:
        """Wait for the end of a process, and give the status that it printed."""
        output, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, ""), errors
        status: Json = json.loads(output)
        return status

    def log(self, name: str, job: str) -> str:
        """Give what a job's only attempt has printed, without the driver's frames."""
        [folder] = (self.state.folder / "runs" / name / "jobs").glob(f"{name}-{job}-*")
        text = (folder / "log").read_text()
        return "".join(
            line for line in text.splitlines(keepends=True) if not line.startswith(("::group", "::endgroup"))
        )

    def left(self) -> list[str]:
        """Name what runs have left in the state folder besides records and logs."""
        kept = {"workflow.json", "owner", "sweep", "log", "job.json", "version", "lock"}
        # What a process was about to write when it was killed; the next write takes its place.
        kept |= {"workflow.json.new", "version.new"}
        found = (path for path in self.state.folder.rglob("*") if not path.is_dir() and path.suffix != ".log")
        return sorted(str(path) for path in found if path.name not in kept)


async def _main(name: str, engine: str, given: str) -> None:
    options = json.loads(given)
    runtime = ContainerRuntime(await find_engine(engine))
    settings = Settings(
        workspace=Path(options["workspace"]),
        parallel=4,
        shared=options.get("shared", False),
        values=Values(options.get("secrets", {})),
    )
    session = Session(
        State(Path(options["state"])), name, runtime, settings, failed=lambda said: print(said, file=sys.stderr)
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, session.cancel)
    print(json.dumps((await session.run()).to_json()))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
