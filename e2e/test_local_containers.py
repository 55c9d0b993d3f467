"""Jobs in containers of this machine, by a real podman with the images that the cluster has."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from e2e.support.here import Here
from e2e.support.podman import Podman
from e2e.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


BUSYBOX, PYTHON, REDIS = "busybox:1.35", "python:3.11", "redis:7"


@pytest.fixture
def here(podman: Podman, tmp_path: Path) -> Iterator[Here]:
    """Run workflows on this machine, and see to it that they leave nothing."""
    made = Here(tmp_path, podman.environment)
    yield made
    assert (podman.left(), made.left()) == ([], [])


def job(*steps: str | dict[str, Any], image: str = BUSYBOX, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any of a job's
    """Give a job that runs scripts."""
    made = [{"run": textwrap.dedent(step)} if isinstance(step, str) else step for step in steps]
    return {"image": image, "steps": made, **fields}


def ends(status: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Give each job's phase and message."""
    return {name: (each["phase"], each.get("message")) for name, each in status["jobs"].items()}


def test_steps(here: Here) -> None:
    """A job has its image, a copy of the workspace, its variables as they are, late steps and outputs."""
    here.workspace.mkdir()
    (here.workspace / "file").write_text("content\n")
    odd = "one\ntwo 'three' \"four\" $HOME `id`"
    first = [
        {"id": "a", "run": 'echo v=1.2 >>"$FAIRLEAD_OUTPUT"; pwd; cat file; echo "$ODD"; echo changed >file'},
        {"name": "${{ steps.a.outputs.v }}", "run": "echo late ${{ steps.a.outputs.v }}; touch /bin/new"},
        {"id": "c", "run": "echo to nowhere >/dev/stderr; echo \"h=${{ hashFiles('file') }}\" >>$FAIRLEAD_OUTPUT"},
    ]
    outputs = {"v": "${{ steps.a.outputs.v }}", "h": "${{ steps.c.outputs.h }}"}
    last = job({"shell": "python", "run": "print('got ${{ needs.first.outputs.v }}')"}, image=PYTHON, needs=["first"])
    jobs = {"first": {"image": BUSYBOX, "env": {"ODD": odd}, "steps": first, "outputs": outputs}, "last": last}
    name, status = here.run(jobs)
    assert status["phase"] == "Succeeded", ends(status)
    assert here.log(name, "first") == f"/workspace\ncontent\n{odd}\nlate 1.2\nto nowhere\n"
    assert here.log(name, "last") == "got 1.2\n"
    assert (status["jobs"]["first"]["outputs"]["v"], len(status["jobs"]["first"]["outputs"]["h"])) == ("1.2", 64)
    assert (here.workspace / "file").read_text() == "content\n"


def test_secrets(here: Here) -> None:
    """A secret reaches its step, through neither the log nor what the engine knows of the container."""
    token = {"secretKeyRef": {"name": "s", "key": "token"}}
    jobs = {"a": job({"env": {"TOKEN": token}, "run": 'echo "$TOKEN"; [ "$TOKEN" = "geheim 7" ]; sleep 5'})}
    name, process = here.begin(jobs, secrets={"token": "geheim 7"})
    podman = Podman(here.environment)
    [container] = wait_for(
        "the container", lambda: [each for each in podman.containers() if each["State"] == "running"]
    )
    known = podman("inspect", container["Id"])
    assert (here.end(process)["phase"], "geheim" in known, here.log(name, "a")) == ("Succeeded", False, "***\n")


def test_rights(here: Here) -> None:
    """A job's container may do what its Pod may; limits hold; volumes are folders that go with it."""
    script = "grep -E '^(CapEff|NoNewPrivs)' /proc/1/status; touch /data/x; ls /ro; touch /ro/y 2>/dev/null || echo no"
    made = job(
        script,
        resources={"limits": {"memory": "64Mi", "cpu": "500m"}},
        volumes=[{"name": "data", "emptyDir": {}}],
        volumeMounts=[
            {"name": "data", "mountPath": "/data"},
            {"name": "data", "mountPath": "/ro", "readOnly": True},
        ],
    )
    name, _ = here.run({"a": made})
    assert here.log(name, "a") == "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nx\nno\n"


def test_another_user(here: Here, podman: Podman) -> None:
    """An image whose user isn't root can work in the copy, and what it leaves is deleted."""
    here.workspace.mkdir(mode=0o700)
    (here.workspace / "file").write_text("x")
    (here.workspace / "file").chmod(0o600)
    script = "id -u; echo y >>file; mkdir -m 700 mine; echo z >mine/z; cat file; echo v=1 >>$FAIRLEAD_OUTPUT"
    steps: list[str | dict[str, Any]] = [{"id": "a", "run": script}, "echo late ${{ steps.a.outputs.v }}"]
    before = os.umask(0o077)
    try:
        name, status = here.run({"a": job(*steps, image=podman.nonroot)})
    finally:
        os.umask(before)
    assert (status["phase"], here.log(name, "a")) == ("Succeeded", "1000\nxy\nlate 1\n")


def test_services(here: Here) -> None:
    """Services are ready before the steps; names are hosts, as is localhost; another job's are out of reach."""
    services = {
        "db": {"image": "postgres:15", "env": {"POSTGRES_PASSWORD": "p q\tr", "POSTGRES_DB": "app"}},
        "cache": {"image": REDIS},
        "web": {
            "image": PYTHON,
            "command": ["python3", "-c", SERVER],
            "env": {"TEXT": "one\ntwo"},
            "ports": [8000],
            "healthCheck": {"http": "/"},
        },
        "plain": {"image": BUSYBOX, "command": ["nc", "-ll", "-p", "9000", "-e", "true"], "ports": [9000]},
    }
    script = """\
        import os, socket, urllib.request
        for name in ("DB", "CACHE", "PLAIN"):
            address = os.environ[name + "_HOST"], int(os.environ[name + "_PORT"])
            print(address, socket.create_connection(address).getpeername()[0])
        print(urllib.request.urlopen("http://localhost:8000").read())
    """
    alone = "import socket; print(socket.socket().connect_ex(('127.0.0.1', 6379)))"
    jobs = {
        "a": job({"shell": "python", "run": textwrap.dedent(script)}, image=PYTHON, services=services),
        "b": job({"shell": "python", "run": alone}, image=PYTHON),
    }
    name, status = here.run(jobs)
    assert status["phase"] == "Succeeded", ends(status)
    assert here.log(name, "a").splitlines() == [
        "('db', 5432) 127.0.0.1",
        "('cache', 6379) 127.0.0.1",
        "('plain', 9000) 127.0.0.1",
        "b'one\\ntwo'",
    ]
    assert here.log(name, "b") == "111\n"
    [log] = here.state.folder.rglob("cache.log")
    assert "Ready to accept connections" in log.read_text()


SERVER = """\
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["TEXT"].encode())
http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""


def test_what_does_not_start(here: Here, podman: Podman) -> None:
    """Whatever is wrong with an image or a command is told as on a cluster."""
    nowhere = "127.0.0.1:1/a/b:c"
    jobs = {
        "pull": job("true", image=nowhere),
        "name": job("true", image="dir:/etc/passwd"),
        "shell": job("true", image=podman.without_shell),
        "never": job("true", image="nobody/has:it", podTemplate=NEVER),
        "service": job("true", services={"x": {"image": BUSYBOX, "command": ["/nope"]}}),
        "ends": job(
            "true", services={"x": {"image": BUSYBOX, "command": ["sh", "-c", "echo bye; exit 3"], "ports": [80]}}
        ),
        "service-pull": job("true", services={"x": {"image": nowhere}}),
    }
    _, status = here.run(jobs)
    refused = 'Get "https://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'
    pulled = f"ErrImagePull: initializing source docker://{nowhere}: pinging container registry 127.0.0.1:1: {refused}"
    found = ends(status)
    assert (found.pop("service")[1] or "").startswith("service x couldn't start: ")
    assert found == {
        "pull": ("Failed", pulled),
        "name": ("Failed", "not an image's name: couldn't parse \"dir:/etc/passwd\": invalid reference format"),
        "shell": (
            "Failed",
            f"the image {podman.without_shell} has no /bin/sh, which the steps need; use an image with a shell",
        ),
        "never": ("Failed", 'ErrImageNeverPull: "nobody/has:it" is not on this machine, and is never pulled'),
        "ends": ("Failed", "service x ended with exit code 3: bye"),
        "service-pull": ("Failed", f"service x: {pulled}"),
    }


NEVER = {"spec": {"containers": [{"name": "main", "imagePullPolicy": "Never"}]}}


def test_codes(here: Here) -> None:
    """Exit codes are the steps' own, also those that the engine has for itself, and 124 at a timeout."""
    jobs = {"a": job("exit 125"), "b": job("exit 127"), "c": job("sleep 60", timeout=1), "d": job("kill -9 $$")}
    _, status = here.run(jobs)
    assert {name: each.get("exitCode") for name, each in status["jobs"].items()} == {
        "a": 125,
        "b": 127,
        "c": 124,
        "d": 137,
    }


LONG = {
    "a": job(
        "trap 'echo asked; exit 1' TERM; echo started; sleep 600 & wait",
        {"if": "always()", "run": "echo cleaned"},
        services={"cache": {"image": REDIS}},
    ),
    "b": job("echo started; sleep 600"),
}


def started(here: Here, name: str) -> bool:
    """Whether both jobs run their first step."""
    logs = [path.read_text() for path in (here.state.folder / "runs" / name).glob("jobs/*/log")]
    return len(logs) == len(LONG) and all("started\n" in log for log in logs)


def test_cancel(here: Here) -> None:
    """Steps are asked to end, and those that run always still do."""
    name, process = here.begin(LONG)
    wait_for("both jobs", lambda: started(here, name))
    process.send_signal(signal.SIGINT)
    status = here.end(process)
    assert (status["phase"], here.log(name, "a")) == ("Cancelled", "started\nasked\n::error::interrupted\ncleaned\n")


def test_killed(here: Here, podman: Podman) -> None:
    """What a killed process leaves ends by itself, as its containers are asked to, and the next run removes it."""
    name, process = here.begin(LONG)
    wait_for("both jobs", lambda: started(here, name))
    process.kill()
    process.communicate()
    wait_for("their end", lambda: {each["State"] for each in podman.containers()} == {"exited"})
    assert (len(podman.containers()), "cleaned" in here.log(name, "a")) == (4, True)
    _, status = here.run({"a": job("true")})
    assert status["phase"] == "Succeeded"


def test_killed_with_its_children(here: Here, podman: Podman) -> None:
    """Containers that nobody could ask to end are removed by the next run, whatever they do; those of others stay."""
    jobs = {"a": job("trap '' TERM; echo started; while :; do sleep 1; done"), "b": LONG["b"]}
    name, process = here.begin(jobs)
    wait_for("both jobs", lambda: started(here, name))
    other = podman("run", "--detach", "--network", "none", BUSYBOX, "sleep", "600").strip()
    for client in _clients(name):
        os.kill(client, signal.SIGSTOP)
    process.kill()
    process.communicate()
    for client in _clients(name):
        os.kill(client, signal.SIGKILL)
    _, status = here.run({"c": job("true")})
    left = [each["Id"] for each in podman.containers()]
    podman("rm", "--force", "--time", "0", other)
    assert (status["phase"], left) == ("Succeeded", [other])


def _clients(name: str) -> list[int]:
    """Give the processes of podman's that are attached to a run's containers."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                with open(f"{entry.path}/cmdline", "rb") as file:  # noqa: PTH123  short-lived, and many
                    words = file.read()
            except OSError:
                continue
            if b"\0start\0--attach\0fairlead-" + name.encode() in words:
                found.append(int(entry.name))
    return found


def test_labels(here: Here, podman: Podman) -> None:
    """A container tells whose it is."""
    name, process = here.begin({"a": job("sleep 3")})
    [container] = wait_for("the container", podman.containers)
    labels = json.loads(podman("inspect", "--format", "{{json .Config.Labels}}", container["Id"]))
    assert here.end(process)["phase"] == "Succeeded"
    assert (labels["app.kubernetes.io/managed-by"], labels["fairlead.dev/part"]) == ("fairlead", "main")
    assert labels["fairlead.dev/attempt"].startswith(f"{name}-a-1-")
