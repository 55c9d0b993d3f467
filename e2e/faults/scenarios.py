"""Each scenario: a load, something that is done to it over and over, and what was found wrong at the end."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from e2e.faults.fates import Fates, Fault, Kind
from e2e.faults.ground import open_ground
from e2e.faults.process import run_operator
from e2e.support.kubectl import KubectlError
from e2e.support.waiting import wait_for
from e2e.testcluster import packages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from e2e.faults.ground import Ground
    from e2e.faults.process import OperatorProcess
    from e2e.support.harness import Harness

RATES: Final[Mapping[Kind, float]] = {Kind.WATCH: 0.9, Kind.READ: 0.15, Kind.WRITE: 0.15}
COMPONENTS: Final = (
    "kube-apiserver",
    "etcd",
    "kubelet",
    "containerd",
    "kube-controller-manager",
    "kube-scheduler",
)
_AT_A_TIME: Final = 6
"""Workflows that are still to end when another wave is applied."""
_PATIENCE: Final = 150
"""Seconds after the last fault within which everything has to have ended."""
_NOTICED: Final = 35.0
"""Seconds within which a half-open watch has to be noticed."""
_TIMELY: Final = 100
"""Seconds within which everything has to have ended though a clock is wrong: no timeout and no pause grows by it."""
_LIBRARY: Final = "*/faketime/libfaketime.so.1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done how often, under which load, and what was found wrong: nothing is the aim."""

    fault: str
    times: int
    load: str
    found: Sequence[str]
    note: str = ""


def proxied(harness: Harness, seed: int, waves: int) -> list[Outcome]:
    """Let every kind of request meet every fault, but for half-open watches, which would make it a long wait."""
    fates = Fates(seed, RATES, frozenset(Fault) - {Fault.HALF_OPEN})
    with open_ground(harness, "proxied") as ground, ground.proxy(fates) as (proxy, kubeconfig):
        operator = ground.operator(kubeconfig)
        with run_operator(operator):
            for _ in range(waves):
                ground.apply_wave()
                ground.run_until_all_ended(3, operator.keep_up)
            ground.run_until_all_ended(_PATIENCE, operator.keep_up)
            proxy.fates.rates = {}
            found = _found(ground, operator)
        load = _load(ground)
        return [
            Outcome(f"{fault} ({kind})", times, load, found, _gave_up(operator))
            for (kind, fault), times in sorted(proxy.met.items(), key=lambda item: (item[0][1], item[0][0]))
        ]


def half_open(harness: Harness, seed: int, rounds: int) -> list[Outcome]:
    """Let each watch stall without an end in turn, while a wave comes, and measure when the operator begins another."""
    with open_ground(harness, "half-open") as ground, ground.proxy(Fates(seed)) as (proxy, kubeconfig):
        operator = ground.operator(kubeconfig)
        worst = dict.fromkeys(("workflows", "jobs", "pods"), 0.0)
        with run_operator(operator):
            for resource in (name for _ in range(rounds) for name in worst):
                wait_for(f"a watch of {resource}", lambda name=resource: proxy.watches[name])  # type: ignore[misc]
                began, before = time.monotonic(), proxy.watches[resource]
                proxy.freeze(resource)
                ground.apply_wave()
                wait_for("another watch", lambda name=resource, seen=before: proxy.watches[name] > seen)  # type: ignore[misc]
                worst[resource] = max(worst[resource], time.monotonic() - began)
                ground.run_until_all_ended(_PATIENCE, operator.keep_up)
            found = _found(ground, operator)
        found += [f"a half-open watch of {name} was noticed after {worst[name]:.0f} s"
                  for name in worst if worst[name] > _NOTICED]  # fmt: skip
        return [
            Outcome(f"half-open watch of {name}", rounds, _load(ground), found, f"noticed within {seconds:.0f} s")
            for name, seconds in worst.items()
        ]


def killed(harness: Harness, seed: int, times: int) -> list[Outcome]:
    """Kill the operator at random moments, also while it starts."""
    dice = random.Random(seed)  # noqa: S311  repeatable
    with open_ground(harness, "killed") as ground:
        operator = ground.operator()
        with run_operator(operator):
            for _ in range(times):
                _keep_busy(ground)
                time.sleep(dice.uniform(0.0, 4.0))
                operator.kill()
                operator.start()
            found = _end(ground, operator)
        return [Outcome("operator killed (SIGKILL)", times, _load(ground), found)]


def stopped(harness: Harness, seed: int, times: int) -> list[Outcome]:
    """Of two replicas, stop the one that holds the Lease for longer than that lasts, then let it go on."""
    dice = random.Random(seed)  # noqa: S311  repeatable
    with open_ground(harness, "stopped") as ground:
        lease = f"--lease-namespace={ground.sandbox.namespace}"
        replicas = {name: ground.operator(None, lease, f"--identity={name}") for name in ("first", "second")}
        with run_operator(replicas["first"]), run_operator(replicas["second"]):
            for _ in range(times):
                _keep_busy(ground)
                held_by = ground.lease_holder()
                time.sleep(dice.uniform(0.2, 2.0))
                replicas[held_by].send(signal.SIGSTOP)
                wait_for("the other one to take over", lambda name=held_by: ground.lease_holder() != name)  # type: ignore[misc]
                _keep_busy(ground)
                time.sleep(dice.uniform(0.0, 2.0))
                replicas[held_by].send(signal.SIGCONT)
            found = _end(ground, replicas["first"]) + replicas["second"].complaints()
        return [Outcome("holder stopped past its Lease, then continued", times, _load(ground), found)]


def restarted(harness: Harness, seed: int, rounds: int) -> list[Outcome]:
    """Kill each component of the cluster in the middle of runs, and start it again after some seconds."""
    dice = random.Random(seed)  # noqa: S311  repeatable
    with open_ground(harness, "restarted") as ground:
        operator = ground.operator()
        with run_operator(operator):
            for _ in range(rounds):
                for name in COMPONENTS:
                    _keep_busy(ground)
                    time.sleep(dice.uniform(0.5, 3.0))
                    harness.cluster("restart", name, f"--pause={dice.uniform(0.0, 5.0):.1f}")
                    operator.keep_up()
            found = _end(ground, operator)
        load, gave_up = _load(ground), _gave_up(operator)
        return [Outcome(f"{name} killed and started", rounds, load, found, gave_up) for name in COMPONENTS]


def taken_away(harness: Harness, seed: int, times: int) -> list[Outcome]:
    """Delete Jobs and Pods of running workflows, without telling anybody."""
    dice = random.Random(seed)  # noqa: S311  repeatable
    with open_ground(harness, "taken-away") as ground:
        ground.again = True
        operator = ground.operator()
        done = {"jobs": 0, "pods": 0}
        with run_operator(operator):
            while sum(done.values()) < times:
                _keep_busy(ground)
                time.sleep(dice.uniform(0.1, 1.0))
                kind = dice.choice(("jobs", "pods"))
                names = sorted(name for name in ground.names(kind, working=True))
                if names:
                    ground.delete(kind, dice.choice(names))
                    done[kind] += 1
            found = _end(ground, operator)
        return [
            Outcome(f"{kind} deleted behind its back", number, _load(ground), found) for kind, number in done.items()
        ]


def clock_set_back(harness: Harness, seed: int, rounds: int) -> list[Outcome]:
    """Set the operator's clock back by an hour while it waits for timeouts and retries; then start it so."""
    packages.ensure(packages.FOR_CLOCKS)
    library = next(Path("/usr/lib").glob(_LIBRARY))
    # Without TLS: certificates of a cluster that was just made aren't valid an hour ago.
    with open_ground(harness, "clock") as ground, ground.proxy(Fates(seed)) as (_, kubeconfig):
        offset = ground.folder / "offset"
        offset.write_text("+0")
        settings = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        operator = ground.operator(kubeconfig, **settings)
        with run_operator(operator):
            for number in range(rounds):
                ground.apply_wave()
                offset.write_text(f"-{number + 1}h")
                ground.run_until_all_ended(_TIMELY, operator.keep_up)
            ground.apply_wave()
            operator.kill()
            offset.write_text(f"-{rounds + 1}h")
            operator.start()
            ground.run_until_all_ended(_TIMELY, operator.keep_up)
            found = _found(ground, operator)
        return [Outcome("operator's clock set back an hour", rounds + 1, _load(ground), found)]


def _keep_busy(ground: Ground) -> None:
    if len(ground.unended()) < _AT_A_TIME:
        ground.apply_wave()


def _end(ground: Ground, operator: OperatorProcess) -> list[str]:
    ground.run_until_all_ended(_PATIENCE, operator.keep_up)
    return _found(ground, operator)


def _found(ground: Ground, operator: OperatorProcess) -> list[str]:
    try:
        return ground.findings(operator)
    except KubectlError as error:
        return [f"the cluster doesn't answer any more: {error}"]


def _gave_up(operator: OperatorProcess) -> str:
    return f"the process ended {operator.gave_up} times" if operator.gave_up else ""


def _load(ground: Ground) -> str:
    return f"{len(ground.cases)} workflows, {ground.worked()} jobs"
