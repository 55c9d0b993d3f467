"""Whatever stands at a place of a source: it is converted or refused, and never ends in an exception."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.convert.conversion import Options
from fairlead.convert.formats import FormatName, load, read
from fairlead.syntax.source import Document, Position
from fairlead.syntax.writing import to_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOW = """\
name: CI
run-name: x
on:
  push: {branches: [main]}
  workflow_dispatch: {inputs: {a: {type: choice, options: [x], default: x, required: true, description: y}}}
  workflow_call: {inputs: {b: {type: number}}, outputs: {o: {value: "${{ jobs.test.outputs.o }}"}}}
  schedule: [{cron: 1 2 * * *}]
permissions: {contents: read}
env: {A: 1}
defaults: {run: {shell: bash, working-directory: x}}
concurrency: {group: x, cancel-in-progress: true}
jobs:
  test:
    name: Test
    runs-on: ${{ matrix.os }}
    container: {image: x, env: {A: b}, ports: [1], options: --user root}
    services: {db: {image: x, ports: [1:1], env: {A: b}, options: --health-cmd x --health-interval 1s}}
    strategy: {matrix: {os: [ubuntu-latest], include: [{os: x, b: 1}], exclude: [{os: y}]}, max-parallel: 1}
    environment: {name: x}
    timeout-minutes: 5
    continue-on-error: true
    outputs: {o: "${{ steps.s.outputs.o }}"}
    steps:
    - {uses: actions/checkout@v4, with: {fetch-depth: 0, ref: x, path: y, submodules: true}}
    - {uses: actions/setup-python@v5, with: {python-version: "${{ matrix.b }}", cache: pip}}
    - {id: s, name: S, if: always(), run: "echo '${{ secrets.A }}'", shell: bash, working-directory: y, env: {B: c}}
    - {uses: actions/cache@v4, with: {path: x, fail-on-cache-miss: true}}
  call: {needs: [test], uses: ./.github/workflows/x.yml, with: {a: 1}, secrets: {A: "${{ secrets.A }}"}}
"""
STORY = """\
metadata: {name: x}
error_handling: {continue_on_error: true, retry_count: 1, retry_delay: 2}
retry: {max_retries: 2, delay_seconds: 1, exponential_backoff: true, backoff_multiplier: 2}
variables: {a: 1, b: "${X}"}
stages:
- {id: a, name: A, order: 1, enabled: true, condition: variables.a == 1, parameters: {p: 1}, timeout_seconds: 3}
- {id: b, max_retries: 2, retry_delay_seconds: 2, continue_on_error: false}
"""
CALLED = "on: {workflow_call: {inputs: {a: {type: number}}}}\njobs: {b: {runs-on: ubuntu-latest, steps: [{run: y}]}}"
ODD: list[Any] = [
    *(None, -1, 1.5, 1e300, 10**400, True, "", "x", "${{", "${{ x", "${{ matrix.a }}", "a\nb", "a\0b", "\ud800", "'"),
    *([], {}, [None], [[1]], [{}], {"a": None}, {"": 1}, {"${{ x }}": 1}),
]


def _places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from _places(each, (*at, key))


def _with(document: Any, place: tuple[str | int, ...], value: object) -> object:  # noqa: ANN401  a JSON document
    if not place:
        return value
    changed = deepcopy(document)
    inside = changed
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = deepcopy(value)
    return changed


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("name", "text"), [(FormatName.GITHUB, WORKFLOW), (FormatName.STORYGENERATOR, STORY)])
def test_odd_value(name: FormatName, text: str, *, skip: bool) -> None:
    """Each place of a source, with a fifth of the odd values: the next place has the others."""
    ((document,), form) = (read("a.yml", text), load(name))
    stages = {"a": {"image": "x", "run": "y"}, "b": {"image": "x", "command": ["y"]}}
    options = Options("x", stages=stages, read=lambda _: CALLED, skip_unsupported=skip)
    for index, place in enumerate(_places(document.value)):
        for value in ODD[index % 5 :: 5]:
            changed = Document(_with(document.value, place, value), document.keys, {(): Position(1, 1)})
            form.recognises(changed)
            conversion = form.convert(changed, options)
            assert conversion.refused or to_yaml(*conversion.resources)
