"""Several combinations as one Indexed Job: one Pod template, whose driver has the texts of all, and takes its own.

What is the same in all of them is written once. Where a text differs it has a hole, which a variable fills that is set
by the completion index before anything else happens:

    case $JOB_COMPLETION_INDEX in
    0) _f_m0='3.12' _f_m1='sqlite';;
    1) _f_m0='3.13' _f_m1='sqlite';;
    esac
    _f_step '' 'test on '"$_f_m1"'' …
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fairlead.plan.actions import StepRequest
from fairlead.plan.packing import CHUNK, INDEX_VARIABLE, hole, way
from fairlead.render.container import environment, scripts_of
from fairlead.render.driver import Script, assemble, carriers, export_text, quote_text, step_text
from fairlead.render.env import secret
from fairlead.render.job import deadline_of, manifest_of, metadata_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairlead.plan import CreatePack, Resource
    from fairlead.plan.actions import EnvValue, JobRequest

ANNOTATION_COMBINATIONS: Final = "fairlead.dev/combinations"
"""On an Indexed Job and its Pods: the combination of each completion index, in order, as `0-7,9`."""

LABEL_INDEX: Final = "batch.kubernetes.io/job-completion-index"
"""What Kubernetes labels the Pods of an Indexed Job with (since 1.28)."""

_RARE: Final = range(0x4E00, 0xD7A4)
"""Characters of which one is in no text, as a driver's text has room for fewer."""


def pack_manifest(pack: CreatePack, resource: Resource, *, keep_seconds: int) -> dict[str, Any]:
    """Render the Indexed Job. `keep_seconds`: how long Kubernetes keeps it after the last of its Pods has ended.

    An attempt is over with its Pod, as in a Job of its own; so each Pod has its own deadline.
    """
    requests = [member.request for member in pack.members]
    first = replace(pack.members[0], node=pack.members[0].node._replace(combination=None))
    metadata = metadata_of(first, resource)
    found = format_combinations([member.node.combination or 0 for member in pack.members])
    metadata["annotations"] = {**metadata.get("annotations", {}), ANNOTATION_COMBINATIONS: found}
    common = replace(requests[0], env=_common(requests))
    settings = {
        "completionMode": "Indexed",
        "completions": len(requests),
        "parallelism": len(requests),
        "backoffLimitPerIndex": 0,
    }
    manifest = manifest_of(
        common, metadata, settings, keep_seconds=keep_seconds, text=lambda room: pack_text(requests, room=room)
    )
    manifest["spec"]["template"]["spec"]["activeDeadlineSeconds"] = deadline_of(common)
    return manifest


def pack_text(requests: Sequence[JobRequest], *, room: int) -> str:
    """Write what `/bin/sh -c` is given: it runs the steps of the request whose place the completion index tells.

    The requests are alike, as `plan.packing` has found them to be. `room` as in `driver_text`.
    """
    holes = _Holes([each for request in requests for each in _all_texts(request)])
    scripts = list(zip(*(map(_filled, scripts_of(request)) for request in requests), strict=True))
    names = carriers(each[0] for each in scripts)
    wanted = requests[0].wanted
    common = _common(requests)
    exports = [
        export_text(name, holes.text([str(request.env[name]) for request in requests]))
        for name in requests[0].env
        if name not in common
    ]
    steps = []
    for step, variants in enumerate(scripts):
        found: dict[object, list[int]] = {}
        for index, request in enumerate(requests):
            each = request.steps[step]
            assert isinstance(each, StepRequest)  # noqa: S101  late ones are in no pack
            found.setdefault(way(each), []).append(index)
        written = _with_holes(variants, holes)
        ways = [
            (indexes, step_text(_in_the_way_of(variants[indexes[0]], written), outputs=wanted, carriers=names))
            for indexes in found.values()
        ]
        steps.append(ways[0][1] if len(ways) == 1 else _case([(_pattern(at), f"\n{text}\n") for at, text in ways]))
    driver = assemble(
        [script for variants in scripts for script in variants],
        outputs=wanted,
        timeout=requests[0].timeout,
        room=room,
        masks=secret(environment(requests[0])),
        steps=steps,
    )
    return holes.filled("\n".join([*exports, driver]), len(requests))


class _Holes:
    """The holes of a text, each a number between two marks, and what fills them for each index."""

    def __init__(self, texts: Sequence[str]) -> None:
        there = set().union(*texts)
        self._mark = next(mark for mark in map(chr, _RARE) if mark not in there)
        self._middles: dict[tuple[str, ...], int] = {}

    def text(self, texts: Sequence[str]) -> str:
        """Write texts, one for each index, as one."""
        found = hole(texts)
        if not any(found.middles):
            return found.start + found.end
        number = self._middles.setdefault(found.middles, len(self._middles))
        return f"{found.start}{self._mark}{number}{self._mark}{found.end}"

    def filled(self, text: str, indexes: int) -> str:
        """Put variables into the holes of what has become of the texts, and what sets them before it.

        All texts are inside single quotes by then, and so are the holes.
        """
        pieces = text.split(self._mark)
        for at in range(1, len(pieces), 2):
            pieces[at] = f"""'"$_f_m{pieces[at]}"'"""
        values = [
            " ".join(f"_f_m{number}={quote_text(middles[index])}" for middles, number in self._middles.items())
            for index in range(indexes)
        ]
        chosen = _case([*((str(index), f" {value}") for index, value in enumerate(values)), ("*", " exit 1")])
        return "".join([f"{chosen}\n" if self._middles else "", *pieces])


def _with_holes(variants: Sequence[Script], holes: _Holes) -> Script:
    first = variants[0]
    return replace(
        first,
        label=holes.text([each.label for each in variants]),
        run=holes.text([each.run for each in variants]) + "\n",
        working_directory=holes.text([each.working_directory or "" for each in variants]),
        env={name: holes.text([each.env[name] for each in variants]) for name in first.env},
    )


def _in_the_way_of(script: Script, written: Script) -> Script:
    return replace(written, runs_in=script.runs_in, continue_on_error=script.continue_on_error, shell=script.shell)


def _filled(script: object) -> Script:
    assert isinstance(script, Script)  # noqa: S101  late ones are in no pack
    # As the driver will write it, since a hole's mark must not be taken for something that can't be shown.
    return replace(script, label=script.shown, run=script.run.removesuffix("\n"))


def _common(requests: Sequence[JobRequest]) -> dict[str, EnvValue]:
    """Give the job's variables that are the same for all."""
    first, *others = requests
    return {name: value for name, value in first.env.items() if all(each.env[name] == value for each in others)}


def _all_texts(request: JobRequest) -> list[str]:
    env: list[Mapping[str, EnvValue]] = [request.env]
    found = []
    for step in request.steps:
        if isinstance(step, StepRequest):
            found += [step.label, step.run, step.working_directory or "", step.shell or "", step.id or ""]
            env.append(step.env)
    found += [name for _, name in request.wanted if name is not None]
    return found + [value for each in env for value in each.values() if isinstance(value, str)]


def _case(branches: Sequence[tuple[str, str]]) -> str:
    lines = "\n".join(f"{pattern}){text};;" for pattern, text in branches)
    return f"case ${INDEX_VARIABLE} in\n{lines}\nesac"


def _pattern(indexes: Sequence[int]) -> str:
    return "|".join(map(str, indexes))


def format_combinations(combinations: Sequence[int]) -> str:
    """Write ascending numbers in few characters: `0-7,9`, as Kubernetes writes completion indexes."""
    ranges: list[list[int]] = []
    for each in combinations:
        if ranges and ranges[-1][1] == each - 1:
            ranges[-1][1] = each
        else:
            ranges.append([each, each])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def parse_combinations(text: str, most: int = CHUNK) -> tuple[int, ...]:
    """Read them again, `most` at most. Raises ValueError for anything else."""
    found: list[int] = []
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        start, end = int(first), int(last if dash else first)
        if not 0 <= end - start < most - len(found):
            raise ValueError(f"{text[:40]!r} has more than {most} numbers, or goes backwards")
        found += range(start, end + 1)
    return tuple(found)
