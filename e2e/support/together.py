"""Tests of which most time is waiting: their work is done some at a time, while each is still a test of its own."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping
    from typing import TypeVar

    K = TypeVar("K", bound=Hashable)

AT_A_TIME = 4
"""More of them would make each other late."""


@contextmanager
def played(plays: Mapping[K, Callable[[], None]], at_a_time: int = AT_A_TIME) -> Iterator[Mapping[K, Future[None]]]:
    """Begin with them in their order; the test of each asks for its result, which raises what its play has raised."""
    pool = ThreadPoolExecutor(at_a_time)
    try:
        yield {key: pool.submit(play) for key, play in plays.items()}
    finally:
        pool.shutdown(cancel_futures=True)


def chosen(request: pytest.FixtureRequest, parameter: str) -> list[Any]:
    """Give a parameter of those tests of a fixture's module that are to run, in their order.

    So the first of them doesn't wait for all, and nothing is played that nobody asked for.
    """
    return [
        item.callspec.params[parameter]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
        if hasattr(item, "callspec") and parameter in item.callspec.params
    ]
