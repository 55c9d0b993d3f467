from __future__ import annotations

from collections import Counter

import pytest

from e2e.faults.fates import POSSIBLE, Fate, Fates, Fault, Kind

REQUESTS = [("PATCH", f"/apis/batch/v1/namespaces/team/jobs/{number % 7}") for number in range(400)]


def dealt(seed: int, requests: list[tuple[str, str]]) -> Counter[tuple[str, str, Fate | None]]:
    """Deal out fates to writes, half of which meet a fault."""
    fates = Fates(seed, {Kind.WRITE: 0.5})
    return Counter((verb, path, fates.next(verb, path, Kind.WRITE)) for verb, path in requests)


def test_same_seed_same_fates() -> None:
    """A seed decides; the order of what isn't the same request, and the namespace, don't matter."""
    elsewhere = [(verb, path.replace("/team/", "/other/")) for verb, path in reversed(REQUESTS)]
    there = Counter({(v, p.replace("/other/", "/team/"), f): n for (v, p, f), n in dealt(1, elsewhere).items()})
    assert there == dealt(1, REQUESTS)
    assert dealt(2, REQUESTS) != dealt(1, REQUESTS)


@pytest.mark.parametrize("kind", Kind)
def test_every_fault_is_met(kind: Kind) -> None:
    """Of enough requests, each possible fault meets some."""
    fates = Fates(1, {kind: 1.0})
    met = {fate.fault for number in range(300) if (fate := fates.next("GET", f"/{number}", kind)) is not None}
    assert met == set(POSSIBLE[kind])


def test_nothing_happens_without_rates() -> None:
    """Where no rate is given, or no fault is left, every request goes through."""
    calm = Fates(1), Fates(1, {Kind.READ: 1.0}, frozenset({Fault.DROPPED}))
    assert [fates.next("GET", "/api", Kind.READ) for fates in calm] == [None, None]
