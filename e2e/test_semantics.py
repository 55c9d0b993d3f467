"""What docs/semantics.md says comes of its examples does, on a real cluster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from e2e.support.sandbox import open_sandbox
from e2e.support.semantics import play, read_examples
from e2e.support.together import chosen, played

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from e2e.support.harness import Harness
    from e2e.support.installation import Installation
    from e2e.support.semantics import Example

EXAMPLES = {example.name: example for example in read_examples()}


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest, harness: Harness, installation: Installation
) -> Iterator[Mapping[str, Future[None]]]:
    """Play all chosen examples, some at a time, each in a namespace of its own."""
    harness.cluster("images", "--all")

    def in_sandbox(example: Example) -> None:
        with open_sandbox(installation.kubectl, f"doc-{example.name}") as sandbox:
            play(example, sandbox)

    with played({name: partial(in_sandbox, EXAMPLES[name]) for name in chosen(request, "name")}) as ends:
        yield ends


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_comes_to_what_the_document_says(name: str, ends: Mapping[str, Future[None]]) -> None:
    """An example's status, logs and Pods have all that stands below it."""
    ends[name].result()
