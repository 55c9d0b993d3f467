"""Where the boxes of a graph stand: layers, the order in each, and positions with few crossings and bends.

As Sugiyama, Tagawa and Toda (1981) do it: an arrow over several layers gets a place in each of them; each layer is
ordered by the mean place of its neighbours, back and forth; then each place moves as near to its neighbours as the
order allows, which is a regression of a sequence that may only grow (pool adjacent violators).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fairlead.graph.dag import Dag

_MOST_WORK: Final = 300_000
"""Links that may be looked at while ordering: about a second."""

_MOST_SWEEPS: Final = 12


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a layer: a box, or (without one) where arrows from `source` pass."""

    layer: int
    source: str
    box: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The places, the order of their numbers in each layer, and the links from each to places of the next layer."""

    places: tuple[Place, ...]
    layers: tuple[tuple[int, ...], ...]
    after: Mapping[int, tuple[int, ...]]

    @property
    def before(self) -> dict[int, tuple[int, ...]]:
        """Give the same links from their other ends."""
        found: dict[int, list[int]] = {}
        for start, ends in self.after.items():
            for end in ends:
                found.setdefault(end, []).append(start)
        return {end: tuple(starts) for end, starts in found.items()}


def layout_of(dag: Dag) -> Layout:
    """Order a graph's boxes, and the places where its long arrows pass."""
    layer_of = {job: index for index, wave in enumerate(dag.waves) for job in wave}
    places = [Place(layer_of[job], job, box=True) for wave in dag.waves for job in wave]
    number = {place.source: index for index, place in enumerate(places)}
    after: dict[int, list[int]] = {}
    passes: dict[tuple[str, int], int] = {}
    for job, needs in dag.arrows.items():
        for need in needs:
            at = number[need]
            for layer in range(layer_of[need] + 1, layer_of[job]):
                through = passes.get((need, layer))
                if through is None:
                    through = passes[need, layer] = len(places)
                    places.append(Place(layer, need, box=False))
                    after.setdefault(at, []).append(through)
                at = through
            after.setdefault(at, []).append(number[job])
    layers: list[list[int]] = [[] for _ in dag.waves]
    for index, place in enumerate(places):
        layers[place.layer].append(index)
    links = {start: tuple(ends) for start, ends in after.items()}
    made = Layout(tuple(places), tuple(map(tuple, layers)), links)
    return Layout(made.places, _ordered(made), links)


def _ordered(layout: Layout) -> tuple[tuple[int, ...], ...]:
    """Order each layer by its neighbours, back and forth; keep the order with the fewest crossings."""
    before, after = layout.before, layout.after
    links = sum(map(len, after.values()))
    # What is joined to nothing stands at the end, out of the way of the lines.
    layers = [sorted(layer, key=lambda place: not (place in before or place in after)) for layer in layout.layers]
    best, fewest = tuple(map(tuple, layers)), crossings(layers, after)
    for sweep in range(min(_MOST_SWEEPS, _MOST_WORK // (links + 1))):
        down = sweep % 2 == 0
        rank = {place: index for layer in layers for index, place in enumerate(layer)}
        neighbours = before if down else after
        for layer in layers if down else reversed(layers):
            key = {
                place: _mean([rank[each] for each in neighbours.get(place, ())], rank[place])
                if place in before or place in after
                else inf
                for place in layer
            }
            layer.sort(key=key.__getitem__)
            rank |= {place: index for index, place in enumerate(layer)}
        now = crossings(layers, after)
        if now < fewest:
            best, fewest = tuple(map(tuple, layers)), now
        if not fewest:
            break
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def crossings(layers: Sequence[Sequence[int]], after: Mapping[int, Sequence[int]]) -> int:
    """Count the pairs of links that cross."""
    total = 0
    for upper, lower in pairwise(layers):
        rank = {place: index for index, place in enumerate(lower)}
        seen: list[int] = []
        for start in upper:
            ends = sorted(rank[end] for end in after.get(start, ()))
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def positions(layout: Layout, gap: Callable[[Place, Place], float]) -> dict[int, float]:
    """Give each place its position across the layers; `gap` says how far two in a row are apart at least."""
    before, after = layout.before, layout.after
    at: dict[int, float] = {}
    offsets: list[list[float]] = []
    for layer in layout.layers:
        offset = [0.0]
        for one, other in pairwise(layer):
            offset.append(offset[-1] + gap(layout.places[one], layout.places[other]))
        offsets.append(offset)
        at |= dict(zip(layer, offset, strict=False))
    tallest = max((offset[-1] for offset in offsets), default=0)
    for layer, offset in zip(layout.layers, offsets, strict=True):
        at |= {place: at[place] + (tallest - offset[-1]) / 2 for place in layer}
    links = sum(map(len, after.values()))
    for sweep in range(min(_MOST_SWEEPS, _MOST_WORK // (links + 1))):
        neighbours = before if sweep % 2 == 0 else after
        order = range(len(layout.layers)) if sweep % 2 == 0 else reversed(range(len(layout.layers)))
        for index in order:
            layer, offset = layout.layers[index], offsets[index]
            wanted = [_mean([at[each] for each in neighbours.get(place, ())], at[place]) for place in layer]
            level = _growing([want - shift for want, shift in zip(wanted, offset, strict=False)])
            at |= {place: low + shift for place, low, shift in zip(layer, level, offset, strict=False)}
    for layer in layout.layers:
        for one, other in pairwise(layer):
            if other not in before and other not in after:
                at[other] = at[one] + gap(layout.places[one], layout.places[other])
    lowest = min(at.values(), default=0)
    return {place: value - lowest for place, value in at.items()}


def _growing(wanted: Sequence[float]) -> list[float]:
    """Give the sequence that never falls and is nearest to what is wanted, by least squares."""
    pools: list[tuple[float, int]] = []
    for want in wanted:
        total, size = want, 1
        while pools and pools[-1][0] / pools[-1][1] > total / size:
            other, more = pools.pop()
            total, size = total + other, size + more
        pools.append((total, size))
    return [total / size for total, size in pools for _ in range(size)]
