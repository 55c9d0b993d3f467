"""Services of OrcaOps → those of Fairlead. Their health checks are those of docker compose."""

from __future__ import annotations

import re
import shlex
from math import ceil
from typing import TYPE_CHECKING, Final

from fairlead.model.containers import service_name
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from fairlead.convert.orcaops.conditions import Rewriter
    from fairlead.convert.origins import Origins
    from fairlead.convert.part import Part
    from fairlead.model.problem import Path

_KNOWN: Final = ("image", "env", "ports", "health_check", "command", "entrypoint")
_CHECK: Final = ("test", "interval", "timeout", "retries", "start_period")
_PORT: Final = re.compile(r"(?:(?:[\d.]+:)?\d+:)?(\d{1,5})(?:/(\w+))?", re.ASCII)
_DURATION: Final = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?", re.ASCII
)
_UNITS: Final = (3600, 60, 1, 0.001)


def convert_services(services: Part, at: Path, origins: Origins, rewriter: Rewriter) -> object:
    """Give a job's services, as a list of images or as a map."""
    origins.put(at, services.path)
    if isinstance(services.value, list) and all(isinstance(each, str) for each in services.value):
        return [rewriter.text(image, early=True) for image in services.texts()]
    found: dict[str, object] = {}
    for name, each in _named(services).items():
        here = (*at, name)
        origins.put(here, each.path)
        found[name] = each.value if isinstance(each.value, str) else _service(each, here, origins, rewriter)
    return found


def _named(services: Part) -> dict[str, Part]:
    """Give services by name; a list may have images and maps from a name to settings."""
    if not isinstance(services.value, list):
        return services.members()
    found: dict[str, Part] = {}
    for each in services.elements():
        named = {service_name(each.value): each} if isinstance(each.value, str) else each.members()
        for name, part in named.items():
            if name in found:
                part.refuse(f"two services are called {quote(name)}; write a map from names of their own to images")
            found[name] = part
    return found


def _service(service: Part, at: Path, origins: Origins, rewriter: Rewriter) -> object:
    found: dict[str, object] = {}
    for key, each in service.members().items():
        match key:
            case "image" if isinstance(each.value, str):
                found["image"] = rewriter.text(each.value, early=True)
            case "env" if isinstance(each.value, dict):
                found["env"] = {
                    name: rewriter.text(value, early=True) if isinstance(value, str) else value
                    for name, value in each.value.items()
                }
            case "image" | "env":
                found[key] = each.value
            case "ports":
                found["ports"] = _ports(each)
            case "health_check" if each.value is not None:
                origins.put((*at, "healthCheck"), each.path)
                test = each.get("test")
                if test is not None:
                    origins.put((*at, "healthCheck", "command"), test.path)
                check = _health_check(each)
                found |= {"healthCheck": check} if check else {}
            case "command" | "entrypoint":
                found["args" if key == "command" else "command"] = _words(each)
            case "health_check":
                pass
            case _:
                each.notes.left_out(each.path, f"a service has no {quote(key)}; it has {', '.join(_KNOWN)}")
    return found


def _words(command: Part) -> list[str]:
    if not isinstance(command.value, str):
        return command.texts()
    try:
        return shlex.split(command.value)
    except ValueError as error:
        command.refuse(f"it can't be taken apart: {error}")
        return []


def _ports(ports: Part) -> list[int]:
    """Give the container's ports: those of a list (`5432`, `"15432:5432"`), or the keys of a map to the host's."""
    parts = [*ports.members().items()] if isinstance(ports.value, dict) else [(None, each) for each in ports.elements()]
    found: list[int] = []
    for key, each in parts:
        text = key if key is not None else each.text()
        match = _PORT.fullmatch(text) if text is not None else None
        if match is None:
            each.refuse(f"{quote(str(text))} is no port; write the number that the service listens on")
            continue
        found.append(int(match[1]))
        if key is not None or match[0] != match[1]:
            each.notes.mapped(each.path, f"only the container's port {match[1]} counts: a job reaches it by name")
    return found


def _health_check(check: Part) -> dict[str, object]:
    found: dict[str, object] = {}
    command = _test(check)
    if command is None:
        return {}
    if command:
        found["command"] = command
    for key in ("interval", "timeout"):
        each = check.get(key)
        seconds = _seconds(each) if each is not None else None
        if each is not None and seconds is not None:
            found[key] = max(1, ceil(seconds))
            if found[key] != seconds:
                each.notes.approximated(each.path, f"{key}: whole seconds, at least one: {found[key]}s")
    retries = check.get("retries")
    if retries is not None:
        found["retries"] = retries.value
    _start_period(check, found)
    for key, each in check.members().items():
        if key not in _CHECK:
            each.notes.left_out(each.path, f"a check has no {quote(key)}; it has {', '.join(_CHECK)}")
    return found


def _start_period(check: Part, found: dict[str, object]) -> None:
    """Failures in the start period don't count: as many more are allowed as fit into it."""
    start = check.get("start_period")
    seconds = _seconds(start) if start is not None else None
    if start is None or not seconds:
        return
    retries, interval = found.get("retries"), found.get("interval", 1)
    if isinstance(retries, int) and isinstance(interval, int):
        found["retries"] = retries + ceil(seconds / interval)
        start.notes.approximated(start.path, f"start_period: as many more retries as fit into it: {found['retries']}")
    else:
        start.notes.left_out(
            start.path, "start_period: a service has a minute to get ready where nothing is said of retries"
        )


def _test(check: Part) -> list[str] | None:
    """Give the command of a check; nothing where there is none, None where it is switched off."""
    test = check.get("test")
    if test is None:
        return []
    words = ["CMD-SHELL", test.value] if isinstance(test.value, str) else test.texts()
    match words:
        case ["NONE", *_]:
            test.notes.approximated(test.path, "a service without a check has its image's own, or that of its port")
            return None
        case ["CMD-SHELL", script]:
            return ["sh", "-c", script]
        case ["CMD", *rest] if rest:
            return rest
        case _ if words:
            return words
        case _:
            test.refuse("there is no command; write [CMD, pg_isready] or a text for the shell")
            return []


def _seconds(part: Part) -> float | None:
    """Read a duration as docker writes it: `5s`, `1m30s`, `500ms`, or a number of seconds."""
    if isinstance(part.value, int | float) and not isinstance(part.value, bool):
        return part.value
    text = str(part.value)
    found = _DURATION.fullmatch(text) if isinstance(part.value, str) and text else None
    if found is None:
        part.refuse(f"{quote(text)} is not a duration; write 5s, 1m30s or a number of seconds")
        return None
    return sum(float(value) * unit for value, unit in zip(found.groups(), _UNITS, strict=True) if value)
