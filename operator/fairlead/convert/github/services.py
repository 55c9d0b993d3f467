"""`services` and `container`, with the options of `docker create` that mean something here."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.github.fields import variables
from fairlead.model.duration import format_duration
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from fairlead.convert.github.contexts import Contexts
    from fairlead.convert.part import Part

_PORT: Final = re.compile(r"(?:(?:[\d.]+:)?(\d+):)?(\d+)(?:/tcp)?", re.ASCII)
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_NAMES: Final = ("--name", "--hostname", "-h", "--network-alias", "--network")
_ROOT: Final = ("root", "0", "0:0")


@dataclass(slots=True)
class _Options:
    """What options came to."""

    health: dict[str, Any] = field(default_factory=dict)
    env: dict[str, object] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)


def services(part: Part, contexts: Contexts, *, in_container: bool) -> dict[str, Any]:
    """Convert the services of a job; `in_container` says whether the job's steps are in a container of their own."""
    found = {name: _service(each, contexts, in_container=in_container) for name, each in part.members().items()}
    return {name: service for name, service in found.items() if service is not None}


def _service(part: Part, contexts: Contexts, *, in_container: bool) -> dict[str, Any] | None:
    if isinstance(part.value, str):
        return {"image": contexts.text(part.value, part.path)}
    part.only(("image", "env", "ports", "volumes", "options", "credentials", "command", "entrypoint"))
    image = part.get("image")
    if image is None:
        part.refuse('"image" is missing')
        return None
    service: dict[str, Any] = {"image": contexts.text(image.text() or "", image.path)}
    options = _options(part.get("options"), contexts)
    env = {**variables(part.get("env"), contexts), **options.env}
    ports = _ports(part.get("ports"), contexts, in_container=in_container)
    entry, command = part.get("entrypoint"), part.get("command")
    if entry is not None:
        options.command = _words(entry) or []
    service |= {"env": env} if env else {}
    service |= {"ports": ports} if ports else {}
    service |= {"command": options.command} if options.command else {}
    service |= {"args": _words(command) or []} if command is not None else {}
    service |= {"healthCheck": options.health} if options.health else {}
    _unsupported(part, contexts)
    return service


def container(part: Part, contexts: Contexts) -> tuple[str | None, dict[str, object]]:
    """Give the image and the variables of a job's container; None where it names no image."""
    if isinstance(part.value, str):
        return contexts.text(part.value, part.path) or None, {}
    part.only(("image", "env", "ports", "volumes", "options", "credentials"))
    image, ports = part.get("image"), part.get("ports")
    options = _options(part.get("options"), contexts)
    if ports is not None:
        contexts.draft.notes.left_out(ports.path, "the container's ports: nothing comes in from outside of the job")
    _unsupported(part, contexts)
    text = None if image is None else image.text()
    env = {**options.env, **variables(part.get("env"), contexts)}
    return (contexts.text(text, part.path) if text else None), env


def _unsupported(part: Part, contexts: Contexts) -> None:
    volumes, credentials = part.get("volumes"), part.get("credentials")
    if volumes is not None:
        contexts.draft.unsupported(
            volumes, "folders of the machine can't be mounted; the job's volumes are Kubernetes'"
        )
    if credentials is not None:
        said = "credentials for the image: name a Secret as imagePullSecrets, in the job's podTemplate"
        contexts.draft.unsupported(credentials, said)


def _ports(part: Part | None, contexts: Contexts, *, in_container: bool) -> list[int]:
    found: list[int] = []
    for each in part.elements() if part is not None else []:
        text = each.text() or ""
        port = _PORT.fullmatch(text)
        if port is None:
            each.refuse(f"{quote(text)} is no port here; write 5432 or 5432:5432")
            continue
        if port[1] and port[1] != port[2] and not in_container:
            said = f"steps would look for it at port {port[1]}, but it listens on {port[2]}; use that one in the steps"
            contexts.draft.unsupported(each, said)
        found.append(int(port[2]))
    return list(dict.fromkeys(found))


def _words(part: Part) -> list[str] | None:
    """Split a text as a shell does; None, and a refusal, where it can't be."""
    try:
        return shlex.split(part.text() or "")
    except ValueError as error:
        part.refuse(f"can't be split into words: {error}")
        return None


def _options(part: Part | None, contexts: Contexts) -> _Options:
    found = _Options()
    words = _words(part) if part is not None else None
    if part is None or not words:
        return found
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name == "--no-healthcheck":
            continue
        if not equals and words and not words[0].startswith("-"):
            value = words.pop(0)
        _option(name, value, found, part, contexts)
    return found


def _option(name: str, value: str, found: _Options, part: Part, contexts: Contexts) -> None:
    match name:
        case "--health-cmd":
            found.health["command"] = ["sh", "-c", contexts.text(value, part.path)]
        case "--health-interval" | "--health-timeout":
            found.health[name.removeprefix("--health-")] = _duration(value, part)
        case "--health-retries":
            found.health["retries"] = int(value) if value.isdecimal() else value
        case "--health-start-period" | "--health-start-interval":
            pass
        case "-e" | "--env":
            variable, _, text = value.partition("=")
            found.env[variable] = contexts.text(text, part.path)
        case "--entrypoint":
            found.command = [value]
        case "--user" | "-u" if value in _ROOT:
            pass
        case _ if name in _NAMES:
            contexts.draft.notes.left_out(part.path, f"{name} {value}: it is called as its key says")
        case _:
            contexts.draft.unsupported(part, f"the option {quote(name)} has no counterpart; say it in podTemplate")


def _duration(value: str, part: Part) -> str:
    parts = _TIME.findall(value)
    if "".join("".join(each) for each in parts) != value or not parts:
        part.refuse(f"{quote(value)} is not a duration")
        return "1s"
    return format_duration(max(1, round(sum(float(number) * _SECONDS[unit] for number, unit in parts))))
