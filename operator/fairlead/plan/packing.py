"""Packs: the first attempts at many combinations of a matrix, made as one Indexed Job; docs/decisions/0014.

A matrix is divided into chunks by its combinations' indexes, and each chunk may become a pack. Whether it does is told
by the spec, by what was filled into it, and by what the chunk's nodes have behind them, never by what else goes on:

    a first attempt is made in its chunk's pack, unless any node of the chunk has an attempt already, or was refused one

A pack's name follows from its chunk. So whoever makes it again, after a crash or an answer that didn't come, meets it,
whatever he would put into it; and as an attempt that was ever seen is recorded, and what isn't in the pack is made
after it was seen, no attempt is made under two names. Everything after first attempts is a Job of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fairlead.model.phase import Reason
from fairlead.plan.actions import CreateJob, CreatePack, JobRequest, StepRequest
from fairlead.plan.alike import varies
from fairlead.plan.names import pack_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fairlead.model.ids import JobId
    from fairlead.model.workflow import JobPlan, Workflow
    from fairlead.plan.actions import EnvValue, Making
    from fairlead.plan.run import Node, Ready, Run

CHUNK: Final = 64
"""Combinations of a pack at most: what can be wrong with one Job concerns so many, and its name has room for them."""

FEWEST: Final = 4
"""Nodes of a chunk that is worth a pack."""

INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"
"""What Kubernetes tells a Pod of an Indexed Job its place by."""

_MOST_TEXT: Final = 72_000
"""Bytes of what is written of the members in a driver's text, which may have 128 KiB (MAX_ARG_STRLEN in Linux)."""

_SHELLS_OWN: Final = re.compile(
    r"_f_.*|BASH.*|IFS|OPT(IND|ARG|ERR)|P?PID|E?UID|SHELLOPTS|POSIXLY_CORRECT|LINENO|RANDOM|SECONDS|ENV|PS[0-9]|PATH|LC_.*"
)
"""Variables that mean something else, or are out of reach, when the driver's shell is to set them."""

_KINDS_OF_CONTAINERS: Final = ("containers", "initContainers")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Nodes that are started together or not at all; `chunk` where that is as a pack, if they are alike."""

    ready: tuple[Ready, ...]
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class Hole:
    """Texts that may differ in the middle: what all begin with and end with, and what each has in between."""

    start: str
    middles: tuple[str, ...]
    end: str


def bundled(run: Run, line: Sequence[Ready]) -> list[Bundle]:
    """Put what wants to start into bundles, in the order of their first nodes."""
    if not run.policy.packs:
        return [Bundle((ready,)) for ready in line]
    fresh: dict[JobId, frozenset[int]] = {}
    found: dict[object, list[Ready]] = {}
    for ready in line:
        combination = ready.node.id.combination
        if combination is None or ready.node.again is not None:
            found[id(ready)] = [ready]
            continue
        job = ready.job
        if job.id not in fresh:
            fresh[job.id] = frozenset(_fresh_chunks(run, job))
        chunk = combination // CHUNK
        found.setdefault((job.id, chunk) if chunk in fresh[job.id] else id(ready), []).append(ready)
    return [Bundle(tuple(each), key[1] if isinstance(key, tuple) else None) for key, each in found.items()]


def packed(run: Run, bundle: Bundle, creations: list[CreateJob]) -> list[Making]:
    """Make a bundle's creations one where they can be; its nodes are then recorded to be in it."""
    if bundle.chunk is None or not creations or not _alike([each.request for each in creations]):
        return [*creations]
    current, job = run.current, bundle.ready[0].job
    name = pack_name(run.resource, current.digest, current.run, job.id, bundle.chunk)
    for ready in bundle.ready:
        state = ready.node.state
        if state.kubernetes_job is not None and not state.phase.ended:
            ready.node.state = state.model_copy(update={"kubernetes_job": name})
    return [CreatePack(name, tuple(replace(each, name=name) for each in creations))]


def _fresh_chunks(run: Run, job: JobPlan) -> Iterator[int]:
    """Name the chunks of a job that may become packs, and of which nothing was made in this run."""
    nodes = run.nodes[job.id]
    if not may_be_packed(run.workflow, job):
        return
    for start in range(0, len(nodes), CHUNK):
        chunk = nodes[start : start + CHUNK]
        if len(chunk) >= FEWEST and not any(map(_has_been_asked_for, chunk)):
            yield start // CHUNK


def _has_been_asked_for(node: Node) -> bool:
    # A pack is refused whole. So where one was refused, and others weren't, they had Jobs of their own.
    return node.state.attempt is not None or node.state.reason is Reason.JOB_REFUSED


def may_be_packed(workflow: Workflow, job: JobPlan) -> bool:
    """Tell by the spec alone whether a job's combinations are sure to differ in nothing but texts.

    They aren't where the matrix makes an image or another part of the Pod. What has to start, wait or end one by one
    has Jobs of its own, too: with a limit on parallel jobs, a concurrency group, or services, which end after the job.
    """
    strategy = job.strategy
    if strategy is None or job.uses is not None or job.check is not None or job.concurrency is not None:
        return False
    if strategy.max_parallel is not None or workflow.max_parallel is not None or job.services:
        return False
    pod = job.pod
    template = pod.template or {}
    inside = template.get("spec")
    if isinstance(inside, dict) and any(name in inside for name in _KINDS_OF_CONTAINERS):
        return False
    fixed = (job.image, pod.service_account_name, pod.node_selector, pod.tolerations, pod.volumes, pod.volume_mounts)
    if any(map(varies, (*fixed, template))):
        return False
    return INDEX_VARIABLE not in job.env and all(
        _settable(name) for name, value in job.env.items() if isinstance(value, str) and "${{" in value
    )


def texts(request: JobRequest) -> Iterator[str]:
    """Give the texts in which alike requests may differ, in an order that is the same for all of them."""
    yield from _values(request.env)
    for step in request.steps:
        if isinstance(step, StepRequest):
            yield from (step.label, step.run, step.working_directory or "", *_values(step.env))


def hole(found: Sequence[str]) -> Hole:
    """Tell where texts differ."""
    start = _beginning(found)
    rests = [text[len(start) :] for text in found]
    end = _beginning([rest[::-1] for rest in rests])[::-1]
    return Hole(start, tuple(rest[: len(rest) - len(end)] for rest in rests), end)


def _beginning(found: Sequence[str]) -> str:
    """Give what all begin with: what the first and the last of them in order do."""
    first, last = min(found), max(found)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _alike(requests: Sequence[JobRequest]) -> bool:
    """Whether requests differ in nothing but texts, and these aren't too many for one driver."""
    first = _frame(requests[0])
    if first is None or any(_frame(each) != first for each in requests[1:]):
        return False
    holes = [hole(each) for each in zip(*map(texts, requests), strict=True)]
    written = sum(_size(each.start) + sum(map(_size, each.middles)) + _size(each.end) for each in holes)
    # Steps are written once for each way in which they are run.
    ways = zip(*(each.steps for each in requests), strict=True)
    written += sum(_size(each[0].run) * (len(set(map(way, each))) - 1) for each in ways if _all_filled(each))
    return written <= _MOST_TEXT


def way(step: StepRequest) -> tuple[object, ...]:
    """Give what of a step isn't text, and may differ all the same."""
    return step.runs_in, step.continue_on_error, step.shell


def _all_filled(steps: tuple[object, ...]) -> bool:
    return all(isinstance(step, StepRequest) for step in steps)


def _frame(request: JobRequest) -> object | None:
    """Give what has to be the same; None where nothing can be: late steps have the agent fill them in."""
    steps = [
        (step.id, step.timeout, step.working_directory is None, _references(step.env))
        for step in request.steps
        if isinstance(step, StepRequest)
    ]
    if len(steps) != len(request.steps):
        return None
    rest = replace(request, steps=(), env={}, contexts={})
    return rest, steps, _references(request.env)


def _references(env: Mapping[str, EnvValue]) -> list[tuple[str, EnvValue | None]]:
    return [(name, None if isinstance(value, str) else value) for name, value in env.items()]


def _values(env: Mapping[str, EnvValue]) -> Iterable[str]:
    return (value for value in env.values() if isinstance(value, str))


def _settable(name: str) -> bool:
    return _SHELLS_OWN.fullmatch(name) is None


def _size(text: str) -> int:
    # A quote takes four characters inside quotes.
    return len(text.encode()) + 3 * text.count("'") + 12
