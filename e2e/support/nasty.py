"""Specs, names, labels and reports that nobody should write, and what is to be said of them."""

from __future__ import annotations

import copy
import os
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e2e.testcluster.settings import REPOSITORY
from tests.generated import ANYTHING, TEXTS, documents, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.support.kubectl import Json

_DRAWING: Final = Lock()
THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

BUSYBOX: Final = {"image": "busybox:1.35", "commands": ["true"]}
EXAMPLES: Final = [
    each["spec"]
    for name in ("hello", "matrix", "outputs", "retries", "concurrency", "schedule", "services")
    for each in yaml.safe_load_all((REPOSITORY / "manifests" / "examples" / f"{name}.yaml").read_text())
    if each["kind"] == "Workflow"
]
KEYS: Final = ("a", "b", "build", "test", "who", "busybox:1.35", "true", "${{ needs.a.result }}", "${{ matrix.x }}")


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401  a JSON document
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    return [path, *(place for key in keys for place in _places(document[key], (*path, key)))]


@st.composite
def mutations(draw: st.DrawFn) -> Json:
    """Draw an example with one to three of its values replaced, removed, repeated or renamed."""
    document: Json = copy.deepcopy(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        found = [each for each in _places(document) if each]
        if not found:
            break
        *parents, last = draw(st.sampled_from(found))
        at: Any = document
        for part in parents:
            at = at[part]
        match draw(st.sampled_from(["replace", "remove", "rename", "wrap", "null"])):
            case "replace":
                at[last] = draw(ANYTHING)
            case "remove":
                del at[last]
            case "rename" if isinstance(at, dict):
                at[draw(TEXTS)] = at.pop(last)
            case "wrap":
                at[last] = draw(st.sampled_from([[at[last]], {"x": at[last]}, str(at[last])]))
            case _:
                at[last] = None
    return document


SPECS: Final = mutations() | documents(schema_of("workflows", "spec"), KEYS)


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Draw so many documents: the same ones each time, or others where one is thorough. For threads, too."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        derandomize=not THOROUGH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(document: Any) -> None:  # noqa: ANN401  a JSON document
        found.append(document)

    with _DRAWING:
        keep()
    return found


def _wide(jobs: int, needs: Callable[[int], list[str]] = lambda _: []) -> Json:
    return {"suspend": True, "jobs": {f"j{at}": {**BUSYBOX, "needs": needs(at)} for at in range(jobs)}}


def _one(**fields: object) -> Json:
    return {"jobs": {"a": {**BUSYBOX, **fields}}}


def _variables(count: int, value: str) -> Json:
    return {f"V{at}": value for at in range(count)}


NASTY: Final[dict[str, tuple[Any, str]]] = {
    "nothing": ({}, "there are no jobs"),
    "null": (None, "spec"),
    "a text": ("jobs", "spec"),
    "null everywhere": (_one(steps=None, env=None, needs=None), ""),
    "a null job": ({"jobs": {"a": None}}, "there are no jobs"),
    "a job needs itself": (_one(needs=["a"]), "a cycle: a → a"),
    "a cycle of 2,000": (_wide(2000, lambda at: [f"j{(at + 1) % 2000}"]), "a cycle: "),
    "more than 5,000 jobs": (_wide(5001), "5000"),
    "a long id": ({"jobs": {"a" * 100_000: BUSYBOX}}, "a job's id has letters"),
    "an id in other letters": ({"jobs": {"j\u043eb": BUSYBOX}}, "a job's id has letters"),
    "numbers as texts": ({**_one(), "timeout": "60", "maxParallel": "1"}, "spec.maxParallel"),
    "huge numbers": ({**_one(), "timeout": 10**18}, "a duration lies between"),
    "a number past 64 bits": ({**_one(), "priority": 10**30}, "spec.priority"),
    "a fraction of one": ({**_one(), "maxParallel": 0.5}, "spec.maxParallel"),
    "many expressions": (_one(env={"X": "${{ 1 }}" * 60_000}), "expressions"),
    "many steps": (_one(commands=["x"] * 5000), "1000"),
    "many services": (_one(services={f"s{at}": "a" for at in range(500)}), "100"),
    "an expression that never ends": (_one(**{"if": "${{ " + "(" * 20_000}), "bad expression"),
    "a NUL": (_one(commands=["a\0b"]), "NUL"),
    "an image that is none": (_one(image="\u202e/../ \x1b[2J"), ""),
    "5,000 jobs": (_wide(5000), ""),
    "a large one": ({**_one(env=_variables(1300, "x" * 1000)), "suspend": True}, ""),
    "one text in many places": (
        {**_one(env=_variables(5000, "a${{ inputs.x }}")), "inputs": {"x": "y" * 500_000}},
        "",
    ),
}
"""A spec and what is said of it; nothing where it is a good one, whatever becomes of its jobs.

The API server itself leaves out what is null.
"""

NAMES: Final = {
    "a": True,
    "0": True,
    "a" * 63: True,
    "a" * 64: False,
    "a" * 253: False,
    "a.b": False,
    "-a": False,
    "A": False,
    "": False,
    "a/b": False,
    "a\u0301": False,
    "..": False,
}


LABELS: Final[dict[str, Any]] = {
    "app.kubernetes.io/managed-by": "fairlead",
    "fairlead.dev/workflow": "other",
    "fairlead.dev/workflow-uid": "5d3a1f6e-0000-4000-8000-000000000001",
    "fairlead.dev/run": "99999999999999999999999999999999",
    "fairlead.dev/attempt": "0",
    "fairlead.dev/job": "one",
    "fairlead.dev/spec": "x",
    "fairlead.dev/combination": "NaN",
    "fairlead.dev/retries": "1e9",
}
RUBBISH: Final = ("", "1", "-1", "Infinity", "1 from ", "1 from \x1b[2J", "1 failed failed", "9" * 5000, "\u0661", "[]")
CALLERS: Final = (
    '[{"uid":"u","run":Infinity,"job":"a"}]',
    '[{"uid":"u","run":1e400,"job":"a"}]',
    "[" * 50_000,
    '[{"uid":{},"run":[],"job":null}]',
    "null",
    "[1]",
    "\ud83d\ude00",
)


REPORTS: Final = {
    "nothing": "true > /dev/termination-log",
    "bytes": "head -c 4096 /dev/urandom > /dev/termination-log",
    "another end": r"printf 'fairlead 2\ns 0*9999999999\nend 0\n' > /dev/termination-log",
    "an output": r"printf 'fairlead 2\no x y=\033]0;z\007\nend 0\n' > /dev/termination-log",
    "half a line": r"printf 'fairlead 2\ns 0 1' > /dev/termination-log",
    "a log of outputs": r"printf 'fairlead 2\ns 0\nlog 999999 999999999 %064d\nend 0\n' 0 > /dev/termination-log",
}
