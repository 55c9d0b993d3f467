"""The life of a cluster: up, down, and what there is in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from e2e.testcluster import (
    api,
    binaries,
    certificates,
    configuration,
    fakenodes,
    fence,
    leftovers,
    machine,
    network,
    packages,
    processes,
)
from e2e.testcluster.components import (
    COMPONENTS,
    CONTAINERD,
    CONTROL_PLANE,
    CONTROLLER_MANAGER,
    FAKE_NODES,
    NODE_AGENTS,
    Component,
    Options,
)
from e2e.testcluster.deadlines import poll
from e2e.testcluster.errors import ComponentFailed, MissingRequirement
from e2e.testcluster.images.recipes import IMAGES
from e2e.testcluster.images.store import ensure_built, import_missing
from e2e.testcluster.locks import exclusively
from e2e.testcluster.terminal import say, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from e2e.testcluster.settings import Settings

DEFAULT_IMAGES = tuple(image for image in IMAGES if image.always)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one `up` or `down` at a time work on a state folder, which has to be ours."""
    leftovers.own_state_folder(settings)
    with exclusively(settings.state / ".lock", "at work"):
        yield


def up(settings: Settings, options: Options) -> None:
    """Have a healthy cluster with these options: keep the one that runs, else start afresh.

    Raises MissingRequirement for what the machine lacks, ComponentFailed for what does not start.
    """
    machine.require(settings)
    with _alone(settings):
        started = time.monotonic()
        if is_healthy(settings):
            _adjust(settings, options)
            say(f"The cluster is up and healthy. KUBECONFIG={settings.kubeconfig}")
            return
        packages.ensure(packages.FOR_CLUSTER)
        for group in binaries.ALWAYS:
            binaries.ensure(group, settings)
        ensure_built(DEFAULT_IMAGES, settings)
        if leftovers.exist(settings):
            with step("removed what an earlier cluster left"):
                leftovers.remove(settings)
        try:
            _start(settings, options)
        except BaseException:
            # Half a cluster is of no use to anybody; what it said is in its logs, which stay.
            leftovers.remove(settings)
            raise
        say(f"The cluster is up after {time.monotonic() - started:.0f}s. "
            f"KUBECONFIG={settings.kubeconfig}")  # fmt: skip


def down(settings: Settings) -> None:
    """End the cluster and remove all of it but its logs; none being there is fine."""
    if not settings.state.exists() and not fence.members():
        say("There is no cluster.")
        return
    machine.require_root()
    with _alone(settings):
        if not leftovers.exist(settings):
            say("There is no cluster.")
            return
        with step("ended all processes, removed mounts, network and state"):
            leftovers.remove(settings)
        say(f"The cluster is down; its logs are still in {settings.logs}")


def restart(settings: Settings, name: str, *, pause: float = 0) -> None:
    """Kill a component's own process, as a crash would, leave it dead for a while, and start it again.

    What it has started itself, as containerd the containers, goes on. Others that have ended meanwhile, as one does
    whose API server is away when it starts, are started, too: nobody else here does that. Raises ComponentFailed when
    one doesn't come up, and MissingRequirement where there is none of that name.
    """
    options = read_options(settings)
    components = (*COMPONENTS, *([FAKE_NODES] if options.kwok_nodes else ()))
    component = next((each for each in components if each.name == name), None)
    if component is None:
        raise MissingRequirement(
            f"there is no component {name}", f"name one of {', '.join(c.name for c in components)}"
        )
    with _alone(settings):
        with step(f"killed {name}"):
            _kill(component, settings)
            time.sleep(pause)
        for each in components:
            if not processes.pid_of(each.name, settings):
                _start_component(each, settings, options)


def _kill(component: Component, settings: Settings) -> None:
    pid = processes.pid_of(component.name, settings)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)

    def gone() -> bool:
        # The last threads of a dead process may still hold its sockets.
        return pid not in fence.members(component.name) and all(map(network.is_free, component.ports))

    if not poll(gone, seconds=10, interval=0.02):
        raise ComponentFailed(component.name, f"process {pid} doesn't end, not even when killed")


def is_healthy(settings: Settings) -> bool:
    """Whether every component runs and is well, and the node takes Pods."""
    kwok = [FAKE_NODES] if read_options(settings).kwok_nodes else []
    return all(
        processes.pid_of(component.name, settings) and component.healthy(settings) for component in (*COMPONENTS, *kwok)
    ) and node_is_ready(settings)


def node_is_ready(settings: Settings) -> bool:
    """Whether this machine is a Ready node."""
    answer = api.get(settings, f"/api/v1/nodes/{certificates.node_name()}")
    return answer.ok and api.is_ready(answer.json())


def read_options(settings: Settings) -> Options:
    """Return what the running cluster was started with; the defaults when there is none."""
    try:
        return Options(**json.loads((settings.state / "options.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return Options()


def _write_options(settings: Settings, options: Options) -> None:
    (settings.state / "options.json").write_text(json.dumps(asdict(options)))


def _adjust(settings: Settings, options: Options) -> None:
    """Change a running cluster to other options; containers and data stay."""
    now = read_options(settings)
    if options.fast_controllers != now.fast_controllers:
        kind = "raised" if options.fast_controllers else "default"
        with step(f"restarted kube-controller-manager with {kind} limits"):
            processes.stop(CONTROLLER_MANAGER.name, settings, grace=3)
            _start_component(CONTROLLER_MANAGER, settings, options)
    if options.allow_pulls != now.allow_pulls:
        configuration.allow_pulls(settings, allowed=options.allow_pulls)
    _write_options(settings, replace(options, kwok_nodes=now.kwok_nodes))
    fakenodes.reconcile(settings, options)
    _write_options(settings, options)
    ensure_built(DEFAULT_IMAGES, settings)
    import_missing(DEFAULT_IMAGES, settings)


def _start(settings: Settings, options: Options) -> None:
    _new_logs(settings)
    with step("made certificates, configuration and network"):
        for name in ("pid", "config", "imported"):
            (settings.state / name).mkdir(mode=0o755)
        for name in ("etcd", "kubelet"):
            (settings.state / name).mkdir(mode=0o700)
        certificates.create(settings)
        configuration.write(settings, options)
        fence.create()
        network.create()
        _require_ports((*COMPONENTS,))
    _start_component(CONTAINERD, settings, options)
    # Unpacking images needs the disk, the control plane the processors: they fit together.
    with ThreadPoolExecutor(max_workers=1) as background:
        imported = background.submit(import_missing, DEFAULT_IMAGES, settings)
        for component in (*CONTROL_PLANE, *NODE_AGENTS):
            _start_component(component, settings, options)
        imported.result()
    _wait_for_pods_to_be_possible(settings)
    _write_options(settings, replace(options, kwok_nodes=0))
    fakenodes.reconcile(settings, options)
    _write_options(settings, options)


def _new_logs(settings: Settings) -> None:
    previous = settings.logs / "previous"
    settings.logs.mkdir(mode=0o755, exist_ok=True)
    shutil.rmtree(previous, ignore_errors=True)
    old = [path for path in settings.logs.iterdir() if path.is_file()]
    previous.mkdir()
    for path in old:
        path.rename(previous / path.name)


def _require_ports(components: Iterable[Component]) -> None:
    for component in components:
        for address, port in component.ports:
            network.require_free_port(address, port, component.name)


def _start_component(component: Component, settings: Settings, options: Options) -> None:
    log = settings.log(component.name)
    with step(component.name):
        processes.start(component.name, component.command(settings, options), settings)

        def settled() -> bool:
            return component.healthy(settings) or not processes.pid_of(component.name, settings)

        if not poll(settled, seconds=component.seconds_to_start):
            problem = f"not healthy after {component.seconds_to_start:.0f}s"
            raise ComponentFailed(component.name, problem, log)
        if not processes.pid_of(component.name, settings):
            raise ComponentFailed(component.name, "it ended right after its start", log)


def _wait_for_pods_to_be_possible(settings: Settings) -> None:
    """Wait for what a Pod needs: a Ready node, and the service account that it runs as by default."""
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    with step("node Ready"):
        if not poll(lambda: node_is_ready(settings), seconds=60):
            raise ComponentFailed("kubelet", "the node is not Ready after 60s", settings.log("kubelet"))
        if not poll(lambda: api.get(settings, account).ok, seconds=30):
            raise ComponentFailed(
                "kube-controller-manager",
                "no default service account after 30s",
                settings.log("kube-controller-manager"),
            )
