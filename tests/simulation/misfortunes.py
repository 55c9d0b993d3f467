"""What goes wrong besides requests: with processes, watches, Pods and Jobs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.network import Network
    from tests.simulation.nodes import Nodes
    from tests.simulation.operators import Operators
    from tests.simulation.schedule import Schedule
    from tests.simulation.server import ApiServer, Place


@dataclass(slots=True)
class Misfortunes:
    """All that may happen, drawn one by one."""

    dice: Random
    schedule: Schedule
    server: ApiServer
    network: Network
    nodes: Nodes
    operators: Operators
    tell: Callable[[str], None]

    def draw(self) -> Callable[[], None]:
        """Choose one."""
        deaths = [self.operators.crash] * 3
        watches = (self._lag, self._lag, self._gap)
        others = (self.operators.freeze, self.operators.restart, self._evict, self._lose_pod, self._delete_job)
        return self.dice.choice([*deaths, *watches, *others])

    # Watches

    def _lag(self) -> None:
        _, replica = self.operators.any()
        what = (replica.process.name, self.dice.choice(("workflows", "jobs", "pods")))
        self.tell(f"the watch of {what[1]} of {what[0]} lags")
        self.network.weather.lag[what] = self.dice.choice((1.0, 5.0, 20.0))
        self.schedule.after(self.dice.uniform(1.0, 30.0), partial(self._catch_up, what))

    def _catch_up(self, what: tuple[str, str]) -> None:
        self.network.weather.lag.pop(what, None)

    def _gap(self) -> None:
        self.tell("all watches break, and the past is forgotten")
        self.network.cut_all()
        self.schedule.after(self.dice.uniform(0.0, 0.05), self.server.forget_the_past)

    # Nodes

    def _some(self, resource: str) -> Place | None:
        found = [place for place, _ in self.server.every(resource)]
        return self.dice.choice(found) if found else None

    def _evict(self) -> None:
        if (place := self._some("pods")) is not None:
            self.tell(f"{place.name} is evicted")
            self.nodes.evict(place)

    def _lose_pod(self) -> None:
        if (place := self._some("pods")) is not None:
            self.tell(f"{place.name} is deleted by somebody")
            self.nodes.lose(place)

    def _delete_job(self) -> None:
        if (place := self._some("jobs")) is not None:
            self.tell(f"{place.name} is deleted by somebody")
            if self.dice.random() < 0.5:
                self.server.remove(place)
            else:
                self.server.mark_deleted(place)
