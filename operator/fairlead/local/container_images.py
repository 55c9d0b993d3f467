"""Images: their names, and bringing them here, each one once at a time.

An image that is here is used as it is, whatever its tag: a run without a network works, and an image that was just
built is the one that runs. Names are Docker's for all engines, so a name without a registry means docker.io.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from fairlead.local.container_engine import Kind, call
from fairlead.local.runtime import StartError
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from fairlead.local.container_engine import Engine
    from fairlead.plan.actions import JobRequest

_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?:(?:{_HOST}(?:\.{_HOST})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
"""As the library `distribution/reference` has it, which all registries and engines go by."""

_BACKOFF: Final = 5.0
"""Seconds for which nobody asks a registry again that has just said no; jobs may share an image."""

_MOST_NAME: Final = 512
_ROOT: Final = frozenset({"", "root", "0"})

ALWAYS: Final = "Always"
NEVER: Final = "Never"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here: what to call it, and whether its containers start as root."""

    reference: str
    root: bool


def full_name(name: str) -> str | None:
    """Give the name with its registry; None for what is no image's name."""
    if len(name) > _MOST_NAME or not _REFERENCE.fullmatch(name):
        return None
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    if "." in first or ":" in first or first == "localhost" or first != first.lower():
        return name
    return f"docker.io/{name}"


def pull_policy(request: JobRequest) -> str | None:
    """Read the policy that a job's podTemplate has for its image."""
    spec = (request.pod.template or {}).get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    for container in containers if isinstance(containers, list) else ():
        if isinstance(container, dict) and container.get("name") == "main":
            policy = container.get("imagePullPolicy")
            return policy if isinstance(policy, str) else None
    return None


class Images:
    """The images of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, Image] = {}
        self._failed: dict[str, tuple[float, StartError]] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, name: str, policy: str | None = None) -> Image:
        """Give an image, brought here where it isn't. `policy` as Kubernetes has it. Raises StartError."""
        full = full_name(name)
        if full is None:
            raise StartError("InvalidImageName", f"couldn't parse {quote(name)}: invalid reference format")
        async with self._locks[full]:
            if policy == ALWAYS:
                await self._pull(full)
            elif full in self._known:
                return self._known[full]
            for here in [full] if policy == ALWAYS else dict.fromkeys((name, full)):
                if found := await self._inspect(here):
                    break
            else:
                if policy == NEVER:
                    raise StartError("ErrImageNeverPull", f"{quote(name)} is not on this machine, and is never pulled")
                await self._pull(full)
                found = await self._inspect(full)
            if found is None:
                raise StartError("ImageInspectError", f"{quote(name)} was pulled, but {self._engine.name} lost it")
            self._known[full] = found
            return found

    def forget(self, name: str) -> None:
        """Look anew the next time: somebody may have removed it."""
        self._known.pop(full_name(name) or name, None)

    async def _pull(self, full: str) -> None:
        clock = asyncio.get_running_loop().time
        failed = self._failed.get(full)
        if failed is not None and clock() < failed[0] + _BACKOFF:
            raise failed[1]
        # Without the transport, podman would take `dir:5000/x` for a folder of this machine.
        source = f"docker://{full}" if self._engine.kind is Kind.PODMAN else full
        answer = await call([self._engine.program, "pull", source])
        if not answer.ok:
            error = StartError("ErrImagePull", answer.reason)
            self._failed[full] = clock(), error
            raise error

    async def _inspect(self, name: str) -> Image | None:
        answer = await call([self._engine.program, "image", "inspect", name])
        if not answer.ok:
            return None
        try:
            [found, *_] = orjson.loads(answer.output)
            user = (found.get("Config") or {}).get("User") or found.get("User") or ""
            reference = name if self._engine.kind is Kind.NERDCTL else found["Id"]
        except (orjson.JSONDecodeError, ValueError, AttributeError, KeyError):
            return None
        return Image(reference, root=user.partition(":")[0] in _ROOT)
