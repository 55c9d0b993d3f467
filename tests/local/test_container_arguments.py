from __future__ import annotations

import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fairlead.local.container_arguments import (
    Names,
    Variables,
    amount,
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
from fairlead.local.container_engine import Engine, Kind
from fairlead.local.container_images import Image
from fairlead.local.ignored import ignored
from fairlead.local.runtime import Attempt, Service
from fairlead.model.containers import Resources
from fairlead.model.workflow import PodSettings
from fairlead.plan.actions import ServiceRequest
from tests.builders import a_request

PODMAN = Engine("podman", Kind.PODMAN, "/usr/bin/podman")
NERDCTL = Engine("nerdctl", Kind.NERDCTL, "/usr/bin/nerdctl")
IMAGE = Image("0123abcd", root=True)
NAMES = Names("ci-build", "0123456789abcdef")
LABELS = ["--label", "app.kubernetes.io/managed-by=fairlead", "--label", "fairlead.dev/folder=0123456789abcdef"]
LABELS += ["--label", "fairlead.dev/attempt=ci-build"]
COMMON = ["--pull", "never", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"]
COMMON += ["--log-driver", "none", "--stop-timeout", "0"]


def attempt(folder: str = "/state", *, services: dict[str, ServiceRequest] | None = None, **fields: Any) -> Attempt:  # noqa: ANN401  any of the request's own
    """Give an attempt that leaves what it leaves in a folder."""
    made = tuple(Service(name, each, {}) for name, each in (services or {}).items())
    request = a_request(services=services or {}, **fields)
    return Attempt("ci-build", Path(folder), Path(folder, "workspace"), request, "", services=made)


def test_names() -> None:
    """Containers are found by where the attempt's folder is, whoever has made them."""
    one, other = names_of(attempt("/one")), names_of(attempt("/other"))
    assert one == names_of(attempt("/one"))
    assert one.main != other.main
    assert (NAMES.main, NAMES.network, NAMES.service("net", 2), NAMES.filter) == (
        "fairlead-ci-build-01234567",
        "fairlead-ci-build-01234567.net",
        "fairlead-ci-build-01234567.net.2",
        "label=fairlead.dev/folder=0123456789abcdef",
    )


def test_main() -> None:
    """The steps' container has what a Pod's has: the driver, both folders, no capabilities, and limits."""
    resources = Resources(limits={"cpu": "500m", "memory": "64Mi"}, requests={"cpu": "4"})
    made = main_arguments(attempt(resources=resources), NAMES, IMAGE, PODMAN, reaches_all=False)
    assert made == [
        *("create", "--name", "fairlead-ci-build-01234567", *LABELS, "--label", "fairlead.dev/part=main", *COMMON),
        *("--cap-drop", "ALL", "--cpus", "0.5", "--memory", "67108864b", "--workdir", "/workspace"),
        *("--mount", "type=bind,source=/state/home,target=/fairlead"),
        *("--mount", "type=bind,source=/state/workspace,target=/workspace"),
        *("--entrypoint", "/bin/sh", "0123abcd"),
        *("-c", ". /fairlead/environment; exec /bin/sh /fairlead/driver 2>&1"),
    ]


def test_main_beside_services() -> None:
    """With services it is in their network; folders of others need a right, and odd names of folders their quotes."""
    found = attempt('/a,"b', services={"db": ServiceRequest("postgres")})
    made = main_arguments(found, NAMES, IMAGE, PODMAN, reaches_all=True)
    assert [made[made.index(option) + 1] for option in ("--network", "--cap-add", "--mount")] == [
        "container:fairlead-ci-build-01234567.net",
        "DAC_OVERRIDE",
        'type=bind,"source=/a,""b/home",target=/fairlead',
    ]


def test_limits_that_cannot_be() -> None:
    """What the engine can't limit here isn't asked of it, and said."""
    engine = Engine("podman", Kind.PODMAN, "/x", limits=frozenset({"memory"}))
    limited = Resources(limits={"cpu": "2", "memory": "1G"})
    found = attempt(resources=limited)
    made = main_arguments(found, NAMES, IMAGE, engine, reaches_all=False)
    assert ("--cpus" in made, "1000000000b" in made) == (False, True)
    assert ignored(found.request, limits=engine.limits) == ["resources.limits.cpu"]


def test_network() -> None:
    """All services are found under their names; ports are only published at this machine's own address."""
    found = attempt(services={"db": ServiceRequest("postgres"), "web": ServiceRequest("nginx")})
    assert network_arguments(found, NAMES, IMAGE, PODMAN, [80]) == [
        *("create", "--name", "fairlead-ci-build-01234567.net", *LABELS),
        *("--label", "fairlead.dev/part=network", *COMMON, "--cap-drop", "ALL"),
        *("--add-host", "db:127.0.0.1", "--add-host", "web:127.0.0.1", "--publish", "127.0.0.1::80"),
        *("--mount", "type=bind,source=/state/home,target=/fairlead", "--entrypoint", "/bin/sh", "0123abcd"),
        *("-c", "while read -r _; do :; done </fairlead/network"),
    ]


@pytest.mark.parametrize(
    ("request_", "end"),
    [
        (ServiceRequest("x"), ["0123abcd"]),
        (ServiceRequest("x", args=("-v", "a b")), ["0123abcd", "-v", "a b"]),
        (ServiceRequest("x", command=("run", "--it"), args=("a",)), ["--entrypoint", "run", "0123abcd", "--it", "a"]),
    ],
)
def test_service(request_: ServiceRequest, end: list[str]) -> None:
    """`command` stands for the image's entry point, `args` for its command, as in a Pod."""
    made = service_arguments(Service("db", request_, {}), "n", NAMES, IMAGE, NERDCTL, ["--env-file", "f"])
    dropped = [("--cap-drop", each) for each in ("AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SYS_CHROOT")]
    assert made == [
        *("create", "--name", "n", *LABELS, "--label", "fairlead.dev/part=service-db"),
        *("--pull", "never", "--security-opt", "no-new-privileges", "--stop-timeout", "0"),
        *(word for pair in dropped for word in pair),
        *("--network", "container:fairlead-ci-build-01234567.net", "--env-file", "f"),
        *end,
    ]


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        *(("500m", "0.5"), ("2", "2"), ("1.5", "1.5"), (".5", "0.5"), ("1e3", "1000"), ("1E", "1000000000000000000")),
        *(("64Mi", "67108864"), ("1k", "1000"), ("1G", "1000000000"), ("100u", "0.0001")),
    ],
)
def test_amount(quantity: str, value: str) -> None:
    """Amounts are Kubernetes' own."""
    assert amount(quantity) == Decimal(value)


def test_no_amount() -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match='"1Mb" is not a quantity'):
        amount("1Mb")


SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


@pytest.mark.parametrize("shell", SHELLS)
def test_environment_text(shell: str, tmp_path: Path) -> None:
    """Every shell hands the variables on as they are, and what it keeps for itself stops none of the others."""
    odd = {"A": "one\ntwo 'three' \"four\" $HOME `id` \\n\t", "UID": "5", "PPID": "5", "EMPTY": "", "Z": "last"}
    (tmp_path / "variables").write_text(environment_text(odd))
    script = f". {tmp_path}/variables; exec env -0"
    command = [shell, *(["sh"] if shell == "busybox" else []), *(["--posix"] if shell == "bash" else []), "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  shells of this machine
    found = dict(line.partition("=")[::2] for line in done.stdout.split("\0"))
    wanted = {name: value for name, value in odd.items() if name not in ("UID", "PPID")}
    assert ({name: found.get(name) for name in wanted}, done.stderr) == (wanted, "")


def test_split_variables() -> None:
    """No value becomes an argument; what an engine's client would heed itself isn't put into its environment."""
    env = {
        "A": " b=c # '",
        "MULTI": "1\n2",
        "TAB": "\t",
        "LONG": "x" * 60_000,
        "LD_PRELOAD": "x\ny",
        "http_proxy": "\t",
    }
    passed = {name: env[name] for name in ("MULTI", "TAB", "LONG")}
    assert split_variables(env) == Variables(("A= b=c # '",), passed, ("LD_PRELOAD", "http_proxy"))


def test_volumes() -> None:
    """A folder stands for each emptyDir; the workspace is what it is anyway, and other volumes are named as ignored."""
    settings = PodSettings(
        service_account_name="builder",
        node_selector={"disk": "ssd"},
        tolerations=({"operator": "Exists"},),
        volumes=({"name": "data", "emptyDir": {}}, {"name": "cache", "persistentVolumeClaim": {"claimName": "c"}}),
        volume_mounts=(
            {"name": "data", "mountPath": "/data/"},
            {"name": "data", "mountPath": "/ro", "readOnly": True},
            {"name": "data", "mountPath": "/workspace"},
            {"name": "cache", "mountPath": "/cache"},
        ),
        template={"spec": {}},
    )
    found = attempt(pod=settings)
    folder = Path("/state/volumes/data")
    assert list(volumes_of(found)) == [(folder, "/data", False), (folder, "/ro", True)]
    fields = ["serviceAccountName", "nodeSelector", "tolerations", "podTemplate"]
    assert ignored(found.request, volumes=True) == [*fields, 'volume "cache"']
    assert ignored(found.request) == [*fields, 'volume "data"', 'volume "cache"']


TABLES = """\
sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3025525 1
1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3025526 1
2: 0500580A:1F41 0100580A:AEB6 01 00000000:00000000 03:00001768 00000000     0        0 0 3
sl  local_address                         remote_address                        st tx_queue rx_queue
0: 00000000000000000000000000000000:18EB 00000000000000000000000000000000:0000 0A 00000000:00000000
1: 00000000000000000000000001000000:18EC 00000000000000000000000000000000:0000 0A 00000000:00000000
2: 0000000000000000FFFF00000100007F:18ED 00000000000000000000000000000000:0000 0A 00000000:00000000
"""


def test_listening() -> None:
    """Open is what takes connections from elsewhere: not what is connected, nor what listens at 127.0.0.1 or ::1."""
    assert listening(TABLES) == {8000, 6379}


@pytest.mark.parametrize(("text", "port"), [("127.0.0.1:36215\n", 36215), ("[::1]:80\n", 80), ("", None), ("?", None)])
def test_published_port(text: str, port: int | None) -> None:
    """An engine says where a port is published, or nothing."""
    assert published_port(text) == port
