"""Jobs in containers of this machine: docker, podman and nerdctl, through their command lines."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlead.local.container_arguments import (
    ENVIRONMENT,
    HOME,
    LISTENING,
    NETWORK,
    WORKSPACE,
    environment_text,
    listening,
    main_arguments,
    names_of,
    network_arguments,
    published_port,
    service_arguments,
    split_variables,
    volumes_of,
)
from fairlead.local.container_engine import call
from fairlead.local.container_images import Images, pull_policy
from fairlead.local.container_pipes import make_pipe, write_all
from fairlead.local.container_process import ContainerProcess, state_of
from fairlead.local.finishing import to_the_end
from fairlead.local.ignored import ignored
from fairlead.local.ownership import foreign_of, give_back, open_up
from fairlead.local.probes import answers_http
from fairlead.local.runtime import StartError
from fairlead.model.services import check_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from fairlead.local.container_arguments import Names
    from fairlead.local.container_engine import Answer, Engine
    from fairlead.local.container_images import Image
    from fairlead.local.runtime import Attempt, Service
    from fairlead.model.containers import HealthCheck
    from fairlead.plan.actions import JobRequest

_LOOPBACK: Final = "127.0.0.1"
_POLL: Final = 0.02
"""Seconds between two looks at a container that is about to start."""

_TO_START: Final = 60.0
"""Seconds until a container that the engine calls started is taken not to see its folders."""

_TO_REMOVE: Final = 30.0
"""Seconds in which an engine removes containers, or says why not."""


@dataclass(slots=True)
class _Here:
    """What this process knows of an attempt. `since`: when its containers could first touch the workspace."""

    names: Names
    since: float
    image: Image
    network: int | None = None
    published: dict[int, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    processes: list[ContainerProcess] = field(default_factory=list)


class ContainerRuntime:
    """Implements `local.runtime.Runtime` with an engine's containers."""

    service_host = None
    trusts = False

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine
        self._images = Images(engine)
        self._here: dict[str, _Here] = {}

    def check(self, request: JobRequest) -> None:
        """Take all."""

    def ignored(self, request: JobRequest) -> list[str]:
        """Name what containers here can't have."""
        found = ignored(request, limits=self._engine.limits, volumes=True)
        # That is what a podTemplate is heeded for.
        return [field for field in found if field != "podTemplate" or pull_policy(request) is None]

    async def prepare(self, attempt: Attempt) -> None:
        """Bring the images here, open the folders to the container's user, and make the network of a job's services."""
        request, names = attempt.request, names_of(attempt)
        image, _ = await asyncio.gather(
            self._images.get(request.image, pull_policy(request)),
            # What is wrong with these is told when they are started.
            asyncio.gather(*(_try(self._images.get(service.request.image)) for service in attempt.services)),
        )
        here = self._here.setdefault(names.folder, _Here(names, time.time(), image))
        await to_the_end(asyncio.to_thread(self._open_folders, attempt, image))
        if attempt.services and here.network is None:
            await self._make_network(attempt, here)

    async def start(self, attempt: Attempt) -> ContainerProcess:
        """Run the driver. Its variables come to it through a pipe, so that they stand nowhere else."""
        here = self._here[names_of(attempt).folder]
        pipe = attempt.home / ENVIRONMENT
        pipe.unlink(missing_ok=True)
        make_pipe(pipe)
        shared = attempt.workspace.parent != attempt.folder and not self._is_owner(here.image)
        await self._create(
            here.names.main,
            main_arguments(attempt, here.names, here.image, self._engine, reaches_all=shared),
        )
        process = await self._attach(here, here.names.main, attempt.log)
        try:
            await self._hand_over(process, pipe, environment_text(self._environment(attempt, here.image)))
        except BaseException:
            await to_the_end(self._discard(process))
            raise
        pipe.unlink(missing_ok=True)
        return process

    async def start_service(self, attempt: Attempt, service: Service) -> ContainerProcess:
        """Start a service in a fresh container."""
        here = self._here[names_of(attempt).folder]
        start = here.starts[service.name] = here.starts.get(service.name, -1) + 1
        if start:
            await self._remove(here.names.service(service.name, start - 1))
        image = await self._images.get(service.request.image)
        variables = split_variables(service.env)
        if variables.impossible:
            said = f"{self.name} can't be given {', '.join(variables.impossible)}: a value of more than one line"
            raise StartError("CreateContainerConfigError", said)
        name = here.names.service(service.name, start)
        file = attempt.folder / f"{service.name}.env"
        options = [argument for each in variables.passed for argument in ("--env", each)]
        if variables.lines:
            file.touch(mode=0o600)
            file.write_text("".join(f"{line}\n" for line in variables.lines), "utf-8")
            options += ["--env-file", str(file)]
        try:
            arguments = service_arguments(service, name, here.names, image, self._engine, options)
            await self._create(name, arguments, variables.passed)
        finally:
            file.unlink(missing_ok=True)
        process = await self._attach(here, name, attempt.service_log(service.name))
        try:
            await self._begun(process)
        except BaseException:
            await to_the_end(self._discard(process))
            raise
        return process

    async def healthy(self, attempt: Attempt, service: Service, check: HealthCheck) -> bool:
        """Run the check's command in the service's container, or look whether the network has an open port."""
        here = self._here[names_of(attempt).folder]
        if check.http is not None:
            port = here.published.get(service.ports[0])
            return port is not None and await answers_http(_LOOPBACK, port, check.http, check.timeout)
        try:
            if check.command:
                name = here.names.service(service.name, here.starts[service.name])
                return (await self._call("exec", name, *check.command, timeout=check.timeout, quiet=True)).ok
            tables = await self._call("exec", here.names.network, "/bin/sh", "-c", LISTENING, timeout=check.timeout)
        except TimeoutError:
            return False
        return service.ports[0] in listening(tables.output)

    async def clear(self, attempt: Attempt) -> None:
        """Remove its containers, whoever has made them, and give the user what they left."""
        names = names_of(attempt)
        here = self._here.pop(names.folder, None)
        image = here.image.reference if here is not None else None
        try:
            found = await self._containers(names)
            if image is None and found:
                image = (await self._call("inspect", "--format", "{{.Image}}", found[0])).output.strip()
            await self._remove_all(names)
        finally:
            if here is not None:
                if here.network is not None:
                    os.close(here.network)
                await asyncio.gather(*(process.forget() for process in here.processes))
        if image and (folders := await asyncio.to_thread(foreign_of, attempt, here.since if here else None)):
            await give_back(self._engine, image, folders)
        await asyncio.to_thread(shutil.rmtree, attempt.folder / "volumes", ignore_errors=True)

    # Folders and variables

    def _is_owner(self, image: Image) -> bool:
        """Whether a container of the image has the user's own rights to files."""
        return image.root and (self._engine.rootless or os.geteuid() == 0)

    def _open_folders(self, attempt: Attempt, image: Image) -> None:
        attempt.home.chmod(0o777)
        attempt.driver.chmod(0o644)
        if attempt.workspace.parent == attempt.folder and not self._is_owner(image):
            open_up(attempt.workspace)
        for folder, _, _ in volumes_of(attempt):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)

    def _environment(self, attempt: Attempt, image: Image) -> dict[str, str]:
        places = {"FAIRLEAD_HOME": HOME, "FAIRLEAD_WORKSPACE": WORKSPACE, "FAIRLEAD_REPORT": f"{HOME}/report"}
        git = {}
        if not self._is_owner(image) and "GIT_CONFIG_COUNT" not in attempt.env:
            # Git does nothing in a repository of another owner; whose this one is, the user has said.
            git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        return {**git, **attempt.env, **places}

    # Containers

    async def _make_network(self, attempt: Attempt, here: _Here) -> None:
        names, ports = here.names, _checked_by_http(attempt)
        pipe = attempt.home / NETWORK
        make_pipe(pipe)
        await self._create(names.network, network_arguments(attempt, names, here.image, self._engine, ports))
        # For both: the container gets its end of file when this process is gone, however it goes.
        here.network = os.open(pipe, os.O_RDWR | os.O_CLOEXEC)
        started = await to_the_end(self._call("start", names.network))
        if not started.ok:
            os.close(here.network)
            here.network = None
            await self._remove(names.network)
            raise StartError("StartError", started.reason)
        for port in ports:
            published = published_port((await self._call("port", names.network, f"{port}/tcp")).output)
            if published is not None:
                here.published[port] = published

    async def _create(self, name: str, arguments: list[str], passed: Mapping[str, str] | None = None) -> None:
        # An engine that is interrupted leaves half a container.
        answer = await to_the_end(self._call(*arguments, env=passed))
        if not answer.ok:
            await self._remove(name)
            raise StartError("CreateContainerError", answer.reason)

    async def _attach(self, here: _Here, name: str, log: Path) -> ContainerProcess:
        process = await ContainerProcess.start(self._engine, name, log)
        here.processes.append(process)
        return process

    async def _hand_over(self, process: ContainerProcess, pipe: Path, text: str) -> None:
        """Write the variables once the container reads them: it has started then."""
        until = time.monotonic() + _TO_START
        while True:
            try:
                writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                break
            except OSError:
                if process.client_ended:
                    raise StartError("StartError", await process.last_words()) from None
                if time.monotonic() > until:
                    said = f"it doesn't read {HOME}, a folder of this machine; is {self.name} on another one?"
                    raise StartError("RunContainerError", said) from None
            await asyncio.sleep(_POLL)
        try:
            await write_all(writer, text.encode("utf-8", "surrogateescape"))
        finally:
            os.close(writer)

    async def _begun(self, process: ContainerProcess) -> None:
        until = time.monotonic() + _TO_START
        while time.monotonic() < until:
            # In this order: what has ended meanwhile has its last state.
            ended = process.client_ended
            state = await state_of(self._engine, process.name)
            if state is not None and state.began:
                return
            if ended:
                raise StartError("StartError", await process.last_words())
            await asyncio.sleep(_POLL)
        raise StartError("RunContainerError", f"{self.name} didn't start it in {_TO_START:g}s")

    async def _discard(self, process: ContainerProcess) -> None:
        await self._remove(process.name)
        await process.forget()

    async def _remove(self, *names: str) -> Answer:
        return await self._call("rm", "--force", "--volumes", *names)

    async def _containers(self, names: Names) -> list[str]:
        answer = await self._call("ps", "--all", "--quiet", "--no-trunc", "--filter", names.filter)
        if not answer.ok:
            raise StartError("RunContainerError", f"{self.name} doesn't tell what is left: {answer.reason}")
        return answer.output.split()

    async def _remove_all(self, names: Names) -> None:
        until = time.monotonic() + _TO_REMOVE
        while found := await self._containers(names):
            # The network's owner goes last, and some engines need to be asked again for it.
            answer = await self._remove(*found)
            if time.monotonic() > until:
                raise StartError("RunContainerError", f"{self.name} doesn't remove containers: {answer.reason}")
            if not answer.ok:
                await asyncio.sleep(_POLL)

    async def _call(
        self,
        *arguments: str,
        timeout: float | None = None,  # noqa: ASYNC109  as call has it
        quiet: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Answer:
        return await call([self._engine.program, *arguments], timeout=timeout, quiet=quiet, env=env)


def _checked_by_http(attempt: Attempt) -> list[int]:
    ports = []
    for service in attempt.services:
        request = service.request
        check = check_of(request.image, request.ports, request.health_check)
        if check is not None and check.http is not None:
            ports.append(service.ports[0])
    return list(dict.fromkeys(ports))


async def _try(wanted: Coroutine[object, object, object]) -> None:
    with suppress(StartError):
        await wanted
