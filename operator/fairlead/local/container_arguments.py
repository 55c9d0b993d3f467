"""What an engine is asked for: the arguments of its commands, and how what it is told reaches a container.

A job's containers share one network, as those of a Pod do: that of a container which does nothing but hold it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from fairlead.local.container_engine import Kind
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from fairlead.local.container_engine import Engine
    from fairlead.local.container_images import Image
    from fairlead.local.runtime import Attempt, Service
    from fairlead.model.containers import Resources

HOME: Final = "/fairlead"
WORKSPACE: Final = "/workspace"

LABEL: Final = "fairlead.dev/folder"
"""What an attempt's containers are found by, whoever looks for them: its folder's hash."""

_ATTEMPT: Final = "fairlead.dev/attempt"
_PART: Final = "fairlead.dev/part"

ENVIRONMENT: Final = "environment"
"""The named pipe in the driver's folder through which the main container gets its variables."""

NETWORK: Final = "network"
"""The named pipe that the network's container reads: it ends when nobody holds the other side."""

_MAIN: Final = f". {HOME}/{ENVIRONMENT}; exec /bin/sh {HOME}/driver 2>&1"
_HOLD: Final = f"while read -r _; do :; done <{HOME}/{NETWORK}"
LISTENING: Final = 'for table in tcp tcp6; do while read -r line; do echo "$line"; done </proc/net/$table; done'
"""Prints the connections of a network with what every shell can do."""

_LISTEN_STATE: Final = "0A"
_LOOPBACK: Final = frozenset({"00000000000000000000000001000000", "0000000000000000FFFF00000100007F"})
"""`::1`, and 127.0.0.1 as an address of IPv6, as the kernel writes them."""

_SERVICE_WITHOUT: Final = ("AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SYS_CHROOT")
"""The capabilities that services don't have; render/services.py says why it is these."""

_PLAIN: Final = re.compile(r"[^\r\n\0]{0,50000}")
"""A value that can stand in an engine's file of variables, of which a line has at most 64 KiB."""

_OF_THE_ENGINE: Final = re.compile(
    r"(?i)(LD|GO|GLIBC|MALLOC|XDG|DBUS|SSL|SSH|CNI|DOCKER|BUILDKIT|NERDCTL|CONTAINERD|_?CONTAINERS?|STORAGE|REGISTRY"
    r"|BUILDAH|PODMAN|NETAVARK|LISTEN|NOTIFY|_LIBPOD|LIBPOD|OCI|TMP|TEMP|HTTPS?_|ALL_PROXY|NO_PROXY|FTP_)\w*"
    r"|PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|LANG|LC_\w+|NO_COLOR|MAIL|PWD|OLDPWD|IFS|ENV|BASH\w*|WATCHDOG\w*"
)
"""Variables that an engine's client, or what it starts on this machine, might heed itself."""

_SUFFIXES: Final = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}
_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]{0,2})")


@dataclass(frozen=True, slots=True)
class Names:
    """What an attempt's containers are called, and labelled with."""

    attempt: str
    folder: str

    @property
    def main(self) -> str:
        """The container that runs the steps."""
        return f"fairlead-{self.attempt}-{self.folder[:8]}"

    @property
    def network(self) -> str:
        """The one whose network is that of all others."""
        return f"{self.main}.net"

    def service(self, name: str, start: int) -> str:
        """Give the name of a service's container: of the first start, or a later one."""
        return f"{self.main}.{name}.{start}"

    def labels(self, part: str) -> list[str]:
        """Say whose a container is."""
        found = {"app.kubernetes.io/managed-by": "fairlead", LABEL: self.folder, _ATTEMPT: self.attempt, _PART: part}
        return [argument for name, value in found.items() for argument in ("--label", f"{name}={value}")]

    @property
    def filter(self) -> str:
        """Find all of them."""
        return f"label={LABEL}={self.folder}"


def names_of(attempt: Attempt) -> Names:
    """Name what belongs to an attempt, of this or of an earlier process."""
    return Names(attempt.name, sha256(bytes(attempt.home)).hexdigest()[:32])


def network_arguments(
    attempt: Attempt, names: Names, image: Image, engine: Engine, published: Iterable[int]
) -> list[str]:
    """Make the container that holds the network, in which the services are found under their names.

    `published` are the ports that this machine can reach, at 127.0.0.1 under numbers that the engine chooses.
    """
    return [
        *_of_all(names.network, names.labels("network"), engine),
        *("--cap-drop", "ALL"),
        *(argument for service in attempt.services for argument in ("--add-host", f"{service.name}:127.0.0.1")),
        *(argument for port in published for argument in ("--publish", f"127.0.0.1::{port}")),
        *_mount(attempt.home, HOME),
        *("--entrypoint", "/bin/sh"),
        image.reference,
        *("-c", _HOLD),
    ]


def main_arguments(attempt: Attempt, names: Names, image: Image, engine: Engine, *, reaches_all: bool) -> list[str]:
    """Make the container that runs the steps. `reaches_all`: its root may write to what others own."""
    request = attempt.request
    return [
        *_of_all(names.main, names.labels("main"), engine),
        *("--cap-drop", "ALL", *(("--cap-add", "DAC_OVERRIDE") if reaches_all else ())),
        *(("--network", f"container:{names.network}") if attempt.services else ()),
        *_limits(request.resources, engine),
        *("--workdir", WORKSPACE),
        *_mount(attempt.home, HOME),
        *_mount(attempt.workspace, WORKSPACE),
        *(
            argument
            for source, target, only in volumes_of(attempt)
            for argument in _mount(source, target, readonly=only)
        ),
        *("--entrypoint", "/bin/sh"),
        image.reference,
        *("-c", _MAIN),
    ]


def service_arguments(
    service: Service, name: str, names: Names, image: Image, engine: Engine, variables: Iterable[str]
) -> list[str]:
    """Make a service's container. `variables` are the arguments that bring its variables."""
    request = service.request
    entry, *more = request.command or ("",)
    return [
        *_of_all(name, names.labels(f"service-{service.name}"), engine),
        *(argument for capability in _SERVICE_WITHOUT for argument in ("--cap-drop", capability)),
        *("--network", f"container:{names.network}"),
        *_limits(request.resources, engine),
        *variables,
        *(("--entrypoint", entry) if request.command else ()),
        image.reference,
        *more,
        *request.args,
    ]


def _of_all(name: str, labels: Iterable[str], engine: Engine) -> list[str]:
    arguments = ["create", "--name", name, *labels, "--pull", "never", "--security-opt", "no-new-privileges"]
    if engine.kind is not Kind.NERDCTL:
        # Folders of the user's aren't labelled anew for SELinux, and an engine's own copy of a log is of no use.
        arguments += ["--security-opt", "label=disable", "--log-driver", "none"]
    # Who is asked to end was asked before; who is removed ends at once.
    return [*arguments, "--stop-timeout", "0"]


def _mount(source: Path, target: str, *, readonly: bool = False) -> list[str]:
    # The engines read it as a line of CSV.
    fields = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if readonly else [])]
    quoted = ('"' + field.replace('"', '""') + '"' if set(field) & set(',"\n') else field for field in fields)
    return ["--mount", ",".join(quoted)]


def _limits(resources: Resources | None, engine: Engine) -> Iterator[str]:
    found = resources.limits if resources is not None else {}
    if "cpu" in found and "cpu" in engine.limits:
        yield from ("--cpus", f"{amount(found['cpu']).normalize():f}")
    if "memory" in found and "memory" in engine.limits:
        yield from ("--memory", f"{int(amount(found['memory']))}b")


def amount(quantity: str) -> Decimal:
    """Read an amount as Kubernetes writes it: 500m, 2, 512Mi, 1e3."""
    read = _QUANTITY.fullmatch(quantity)
    if read is None or read[2] not in _SUFFIXES:
        raise ValueError(f"{quote(quantity)} is not a quantity")
    return Decimal(read[1]) * _SUFFIXES[read[2]]


# Variables


def environment_text(env: Mapping[str, str]) -> str:
    """Write variables for a shell to read, which hands them on. What a shell keeps for itself stays as it is."""
    # `command` keeps bash from giving up at one that is read-only, like UID.
    lines = (f"command export {name}={_shell_quote(value)} 2>/dev/null\n" for name, value in env.items())
    return "".join(lines)


def _shell_quote(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


@dataclass(frozen=True, slots=True)
class Variables:
    """How a container without a shell gets its variables: lines of a file, and the environment of the engine's client.

    `impossible` names those for which there is no way.
    """

    lines: tuple[str, ...]
    passed: Mapping[str, str]
    impossible: tuple[str, ...]


def split_variables(env: Mapping[str, str]) -> Variables:
    """Tell how each variable reaches a container: no way may show its value to other users, as an argument would."""
    lines, passed, impossible = [], {}, []
    for name, value in env.items():
        if _PLAIN.fullmatch(value) and value.isprintable():
            lines.append(f"{name}={value}")
        elif _OF_THE_ENGINE.fullmatch(name) is None:
            passed[name] = value
        else:
            impossible.append(name)
    return Variables(tuple(lines), passed, tuple(impossible))


# Volumes


def volumes_of(attempt: Attempt) -> Iterator[tuple[Path, str, bool]]:
    """Give the job's own volumes: folder, where it is mounted, and whether it is read-only. Only emptyDir is known."""
    settings = attempt.request.pod
    known = {volume["name"] for volume in settings.volumes if isinstance(volume.get("emptyDir"), dict)}
    for mount in settings.volume_mounts:
        name, target = mount.get("name"), str(mount.get("mountPath", "")).rstrip("/")
        if name in known and target not in ("", HOME, WORKSPACE):
            yield attempt.folder / "volumes" / str(name), target, mount.get("readOnly") is True


# Ports


def listening(tables: str) -> set[int]:
    """Read the ports at which connections from elsewhere are taken out of the kernel's tables of a network.

    What listens at 127.0.0.1 alone isn't ready, as a kubelet sees it: databases do while they prepare their data.
    """
    found = set()
    for line in tables.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTEN_STATE:  # noqa: PLR2004  sl, local address, remote address, state
            address, _, port = fields[1].partition(":")
            if not (address.endswith("7F") and len(address) == 8) and address not in _LOOPBACK:  # noqa: PLR2004  IPv4
                found.add(int(port, 16))
    return found


def published_port(text: str) -> int | None:
    """Read `127.0.0.1:36215`, the answer to the question where a port is published."""
    for line in text.splitlines():
        port = line.strip().rpartition(":")[2]
        if port.isdecimal():
            return int(port)
    return None
