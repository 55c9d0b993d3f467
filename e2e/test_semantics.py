"""What docs/semantics.md says comes of its examples does, on a real cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from e2e.support.sandbox import open_sandbox
from e2e.support.semantics import play, read_examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from e2e.support.harness import Harness
    from e2e.support.installation import Installation
    from e2e.support.semantics import Example

EXAMPLES = read_examples()
AT_A_TIME = 4
"""Most of an example's time is waiting; more of them would make each other late."""


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, harness: Harness, installation: Installation
) -> Iterator[Mapping[str, Future[None]]]:
    """Play all chosen examples, some at a time, each in a namespace of its own."""
    harness.cluster("images", "--all")

    def in_sandbox(example: Example) -> None:
        with open_sandbox(installation.kubectl, f"doc-{example.name}") as sandbox:
            play(example, sandbox)

    # In the order of the tests, so that the first one doesn't wait for all.
    chosen = [_EXAMPLE_OF[item.name] for item in request.session.items if item.name in _EXAMPLE_OF]
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        yield {example.name: pool.submit(in_sandbox, example) for example in chosen}
    finally:
        pool.shutdown(cancel_futures=True)


_TEST = "test_the_example_comes_to_what_the_document_says"
_EXAMPLE_OF = {f"{_TEST}[{example.name}]": example for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_example_comes_to_what_the_document_says(example: Example, played: Mapping[str, Future[None]]) -> None:
    """An example's status, logs and Pods have all that stands below it."""
    played[example.name].result()
