"""A load of mixed workflows, each with what has to become of it, and the record that its steps write on the host."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from e2e.support.kubectl import Json

IMAGE: Final = "busybox:1.35"
_MOUNT: Final = "/record"
RECORD: Final = "steps"
BEATS: Final = "beats"
TEMPLATE: Final = "echo-back"


@dataclass(frozen=True, slots=True)
class Case:
    """A workflow. `status` is what has to be in its status at the end; `phases` the ends that are right.

    `works` says how many attempts at a node must have written to the record, exactly; `may_work` those that may have.
    """

    name: str
    spec: Json
    status: Json
    works: Counter[str]
    phases: tuple[str, ...] = ("Succeeded",)
    may_work: Counter[str] = field(default_factory=Counter)

    @property
    def resource(self) -> Json:
        """The Workflow to apply."""
        return _resource("Workflow", self.name, self.spec)


@dataclass(frozen=True, slots=True)
class Line:
    """What a step wrote: whose it is, and the Pod that it ran in."""

    workflow: str
    node: str
    pod: str

    @property
    def job(self) -> str:
        """The Kubernetes Job of the Pod, by its name."""
        return self.pod.rpartition("-")[0]


def read_record(folder: Path) -> list[Line]:
    """Read what the steps have written so far, in order."""
    path = folder / RECORD
    lines = path.read_text().splitlines() if path.exists() else []
    return [Line(*line.split()) for line in lines]


def read_overlaps(folder: Path) -> list[str]:
    """Read which workflows worked while another one of their group did, by the beats that their jobs wrote."""
    path = folder / BEATS
    spans: dict[str, dict[str, tuple[float, float]]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        group, workflow, at = line.split()
        first, last = spans.setdefault(group, {}).get(workflow, (float(at), 0.0))
        spans[group][workflow] = min(first, float(at)), max(last, float(at))
    overlaps = []
    for group, found in spans.items():
        for (one, (_, end)), (other, (start, _)) in pairwise(sorted(found.items(), key=lambda item: item[1])):
            if start < end:
                overlaps.append(f"{other} began {end - start:.1f}s before {one} ended, in the group {group}")
    return overlaps


def template(folder: Path) -> Json:
    """Give the WorkflowTemplate that calls need."""
    job = _job(folder, "${{ inputs.caller }}", "echo", 'echo "said=${{ inputs.word }}" >> "$FAIRLEAD_OUTPUT"')
    spec = {
        "inputs": {"word": {"required": True}, "caller": {"required": True}},
        "outputs": {"said": "${{ jobs.echo.outputs.said }}"},
        "jobs": {"echo": {**job, "outputs": {"said": "${{ steps.it.outputs.said }}"}}},
    }
    return _resource("WorkflowTemplate", TEMPLATE, spec)


def wave(number: int, folder: Path) -> list[Case]:
    """Give one workflow of each sort, in the order in which they are to be applied."""
    return [make(f"{make.__name__.strip('_').replace('_', '-')}-{number}", folder) for make in SORTS]


def _chain(name: str, folder: Path) -> Case:
    jobs: Json = {}
    for before, letter in ((None, "a"), ("a", "b"), ("b", "c")):
        said = f"${{{{ needs.{before}.outputs.word }}}}" if before else ""
        jobs[letter] = {
            **_job(folder, name, letter, f'echo "word={said}{letter}" >> "$FAIRLEAD_OUTPUT"'),
            "needs": [before] if before else [],
            "outputs": {"word": "${{ steps.it.outputs.word }}"},
        }
    spec = {"jobs": jobs, "outputs": {"word": "${{ jobs.c.outputs.word }}"}}
    return Case(name, spec, {"outputs": {"word": "abc"}, "progress": "3/3"}, Counter("abc"))


def _matrix(name: str, folder: Path) -> Case:
    node = "m-${{ matrix.one }}-${{ matrix.two }}"
    cells = Counter(f"m-{one}-{two}" for one in "12" for two in "xy")
    spec = {
        "jobs": {
            "m": {
                **_job(folder, name, node, "true"),
                "strategy": {"matrix": {"one": [1, 2], "two": ["x", "y"]}, "maxParallel": 3},
            },
            "join": {**_job(folder, name, "join", "true"), "needs": ["m"]},
        }
    }
    return Case(name, spec, {"progress": "5/5"}, cells + Counter(["join"]))


def _retried(name: str, folder: Path) -> Case:
    tried = f"{_MOUNT}/{name}.tried"
    job = _job(folder, name, "flaky", f"test -e {tried} || {{ touch {tried}; exit 3; }}")
    spec = {"jobs": {"flaky": {**job, "retry": {"limit": 2, "delay": "1s"}}}}
    return Case(name, spec, {"jobs": {"flaky": {"phase": "Succeeded"}}}, Counter({"flaky": 2}))


def _stopped(name: str, folder: Path) -> Case:
    work = "sleep ${{ matrix.seconds }}; exit 1"
    job = _job(folder, name, "s-${{ matrix.seconds }}", work)
    spec = {"jobs": {"s": {**job, "strategy": {"matrix": {"seconds": [1, 300]}, "failFast": True}}}}
    expected = {"jobs": {"s": {"phase": "Failed"}}}
    return Case(name, spec, expected, Counter(["s-1"]), ("Failed",), Counter(["s-300"]))


def _allowed(name: str, folder: Path) -> Case:
    jobs = {
        "slow": {**_job(folder, name, "slow", "sleep 300"), "timeout": "2s", "continueOnError": True},
        "then": {**_job(folder, name, "then", "true"), "needs": ["slow"]},
    }
    expected = {"jobs": {"slow": {"phase": "Failed", "reason": "TimedOut"}, "then": {"phase": "Succeeded"}}}
    return Case(name, {"jobs": jobs}, expected, Counter(["slow", "then"]), ("Partial",))


def _caller(name: str, folder: Path) -> Case:
    jobs = {
        "call": {"uses": TEMPLATE, "with": {"word": f"hello-{name}", "caller": name}},
        "after": {
            **_job(folder, name, "after", f'test "${{{{ needs.call.outputs.said }}}}" = hello-{name}'),
            "needs": ["call"],
        },
    }
    spec = {"jobs": jobs, "outputs": {"said": "${{ jobs.call.outputs.said }}"}}
    return Case(name, spec, {"outputs": {"said": f"hello-{name}"}}, Counter(["echo", "after"]))


def _pushed_aside(name: str, folder: Path) -> Case:
    group = f"deploy-{name.rpartition('-')[2]}"
    spec = {
        "concurrency": {"group": group, "cancelInProgress": True},
        "jobs": {"old": _alone(folder, name, "old", group, 300)},
    }
    return Case(name, spec, {}, Counter(), ("Cancelled",), Counter(["old"]))


def _queued(name: str, folder: Path) -> Case:
    jobs = {
        "one": _alone(folder, name, "one", "everyone", 1),
        "two": {**_alone(folder, name, "two", "everyone", 1), "needs": ["one"]},
    }
    return Case(
        name, {"concurrency": {"group": "everyone"}, "jobs": jobs}, {"progress": "2/2"}, Counter(["one", "two"])
    )


def _pushing_aside(name: str, folder: Path) -> Case:
    group = f"deploy-{name.rpartition('-')[2]}"
    spec = {
        "concurrency": {"group": group, "cancelInProgress": True},
        "jobs": {"new": _alone(folder, name, "new", group, 1)},
    }
    return Case(name, spec, {"progress": "1/1"}, Counter(["new"]))


SORTS: Final[Sequence[Callable[[str, Path], Case]]] = (
    _pushed_aside,
    _chain,
    _matrix,
    _retried,
    _stopped,
    _allowed,
    _caller,
    _queued,
    _pushing_aside,
)


def _job(folder: Path, workflow: str, node: str, script: str) -> Json:
    """Give a job of one step that first writes into the record who it is; the lines are short, so none is torn."""
    record = f'echo "{workflow} {node} $HOSTNAME" >> {_MOUNT}/{RECORD}'
    return {
        "image": IMAGE,
        "volumes": [{"name": "record", "hostPath": {"path": str(folder), "type": "Directory"}}],
        "volumeMounts": [{"name": "record", "mountPath": _MOUNT}],
        "steps": [{"id": "it", "run": f"{record}\n{script}"}],
    }


def _alone(folder: Path, workflow: str, node: str, group: str, seconds: int) -> Json:
    """Give a job of a group that writes, all the while, that it works; the clock is the machine's own uptime."""
    beat = f'read -r now _ < /proc/uptime; echo "{group} {workflow} $now" >> {_MOUNT}/{BEATS}; sleep 0.2'
    return _job(folder, workflow, node, f"for i in $(seq {5 * seconds}); do {beat}; done")


def _resource(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": "fairlead.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
