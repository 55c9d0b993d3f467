"""A whole run from one seed: operators, the cluster, people, and everything that can go wrong between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

from fairlead.model.phase import WorkflowPhase
from fairlead.model.status import WorkflowStatus, format_time
from fairlead.plan.admission import Limits
from fairlead.plan.runs import CANCEL, RERUN
from tests.builders import NOW
from tests.simulation.history import line_of, logs_to
from tests.simulation.invariants import Checker
from tests.simulation.misfortunes import Misfortunes
from tests.simulation.network import Network, Weather
from tests.simulation.nodes import Nodes
from tests.simulation.operators import Operators
from tests.simulation.people import NAMESPACES, People
from tests.simulation.reference import disagreements, expected
from tests.simulation.replica import Build, Setting
from tests.simulation.schedule import Schedule, StuckError
from tests.simulation.server import ApiServer, Place
from tests.simulation.workloads import TEMPLATES, Author

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.server import Change, Json

_CALM = 1800.0
"""Seconds within which everything has to have ended once nothing goes wrong any more."""

_QUIET = 15.0
"""Seconds for which nothing more may come: longer than the operator may need to take over."""

_MOST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed. `violation` is None where all was well; `history` has a line for each thing that happened.

    `writes` and `requests` are the operators'; `troubles` counts the requests that something befell. `seconds` are the
    simulated cluster's.
    """

    seed: int
    violation: str | None
    history: tuple[str, ...]
    writes: int
    requests: int
    troubles: int
    seconds: float

    @property
    def digest(self) -> str:
        """Tell histories apart."""
        return sha256("\n".join(self.history).encode()).hexdigest()

    def report(self, most: int = _MOST_SHOWN) -> str:
        """Say what went wrong, and what happened before."""
        cut = [f"  ... {len(self.history) - most} lines before"] if len(self.history) > most else []
        lines = [f"seed {self.seed}: {self.violation or 'all well'}", *cut, *self.history[-most:]]
        return "\n".join([*lines, f"replay it: make simulate SEED={self.seed}"])


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is drawn once for a seed. `behind`: the longest by which watches of Jobs and Pods are behind, in seconds."""

    replicas: int
    groups: bool
    crowded: bool
    setting: Setting
    trouble: float
    faults_until: float
    behind: float = 0.0

    @classmethod
    def draw(cls, dice: Random) -> Scenario:
        """Draw one."""
        shards = dice.choice((None, None, 1, 1, 2))
        crowded = dice.random() < 0.4
        groups = crowded or dice.random() < 0.7
        limited = groups and dice.random() < 0.4
        most = [dice.choice((None, 1, 2, 3)) if limited else None for _ in range(4)]
        most.append(dice.choice((None, 1, 3, 50)))
        if shards is not None and shards > 1:
            # What counts over all namespaces takes one replica that knows of all.
            most[0] = most[2] = None
        packs = dice.random() < 0.2
        return cls(
            replicas=1 if shards is None else dice.randint(1, 3),
            groups=groups,
            crowded=crowded,
            setting=Setting(Limits(*most), dice.choice((86_400, 86_400, 60)), shards, packs),
            trouble=dice.choice((0.0, 0.03, 0.1, 0.25)),
            faults_until=dice.uniform(30.0, 120.0),
            behind=dice.choice((0.0, 0.0, 0.0, 20.0)),
        )

    @classmethod
    def of_packs(cls, seed: int) -> Scenario:
        """Draw one with packs, and matrices that are wide enough for them; it has no limits, which there are none with.

        Nor has it groups: nothing of a pack is in any.
        """
        drawn = cls.draw(_dice(seed, "scenario"))
        setting = replace(drawn.setting, limits=Limits(), packs=True)
        return replace(drawn, groups=False, crowded=False, setting=setting)


class Simulation:
    """One run. Everything random comes of the seed, in a stream for each part."""

    def __init__(self, seed: int, build: Build, scenario: Scenario) -> None:
        self.seed = seed
        self.scenario = scenario
        self.history: list[str] = []
        self.violation: str | None = None
        self.schedule = Schedule()
        self.server = ApiServer(self._wall)
        lingering = _dice(seed, "lingering")
        self.server.lingering = lambda place: place.resource == "jobs" and lingering.random() < 0.2
        self.network = Network(self.schedule, self.server, _dice(seed, "network"), self.tell)
        self.nodes = Nodes(self.schedule, self.server, _dice(seed, "nodes"), self._wall)
        self.operators = Operators(
            _dice(seed, "operators"), self.schedule, self.network, scenario.setting, build, self.tell, self.violate
        )
        self.network.befalls = self.operators.befall
        self.checker = Checker(self.server, scenario.setting.limits, self.violate, self.operators.processes)
        self.nodes.started, self.nodes.ended = self.checker.started, self.checker.ended
        self.server.heard += [self._write_down, self.nodes.hear, self.checker.hear]
        author = Author(_dice(seed, "workloads"), scenario.groups, scenario.crowded, scenario.setting.packs)
        self.people = People(_dice(seed, "people"), self.server, author, scenario.crowded, self.tell)
        self.templates = {name: author.template() for name in TEMPLATES}

    def run(self) -> Outcome:
        """Run it to its end."""
        with logs_to(self._log):
            try:
                for phase in (self._begin, self._live_through_faults, self._come_to_rest, self._compare):
                    if self.violation is None:
                        phase()
            except StuckError as error:
                self.violate(str(error))
            finally:
                self._clean_up()
        return Outcome(
            seed=self.seed,
            violation=self.violation,
            history=tuple(self.history),
            writes=self.network.writes,
            requests=self.network.requests,
            troubles=self.network.troubles,
            seconds=self.schedule.now,
        )

    # What is told

    def tell(self, line: str) -> None:
        """Write down what happened."""
        self.history.append(f"{self.schedule.now:9.3f} {line}")

    def violate(self, said: str) -> None:
        """Take note that something holds no longer; the run ends there."""
        self.violation = self.violation or f"at {self.schedule.now:.3f}: {said}"

    def _log(self, method: str, event: Mapping[str, Any]) -> None:
        """Write down what the operator logs; none of its parts may ever die."""
        self.tell(f"log {method}: {event.get('event')} {event.get('error', '')}".rstrip())
        if method == "error":
            self.violate(f"{event.get('event')}: {event.get('exc_info')!r}")

    def _write_down(self, change: Change) -> None:
        self.tell(line_of(change))

    def _wall(self) -> str:
        return format_time(NOW + timedelta(seconds=self.schedule.now))

    # Phases

    def _begin(self) -> None:
        self.tell(f"scenario {self.scenario}")
        for namespace in sorted(set(NAMESPACES)):
            for name, spec in self.templates.items():
                self.server.put(Place("workflowtemplates", namespace, name), {"metadata": {}, "spec": spec})
        for number in range(self.scenario.replicas):
            self.operators.start(number)
        behind = _dice(self.seed, "behind")
        for name, resource in product(self.operators.processes, ("jobs", "pods")):
            self.network.weather.lag[name, resource] = behind.uniform(0.0, self.scenario.behind)
        dice, until = _dice(self.seed, "times"), self.scenario.faults_until
        for _ in range(dice.randint(1, 8)):
            self.schedule.after(dice.uniform(0.0, until * 0.7), self.people.apply)
        for _ in range(dice.randint(0, 30 if self.scenario.crowded else 8)):
            self.schedule.after(dice.uniform(1.0, until), self.people.act)
        if self.scenario.trouble:
            self._make_trouble(dice, until)

    def _make_trouble(self, dice: Random, until: float) -> None:
        self.network.weather = Weather(
            trouble=self.scenario.trouble,
            lateness=dice.choice((5.0, 60.0)),
            deadly=8 if self.scenario.crowded else 1,
            cut=dice.choice((1e9, 60.0, 10.0)),
            repeated=dice.choice((0.0, 0.2)),
        )
        self.nodes.slow = dice.choice((0.0, 0.05))
        misfortunes = Misfortunes(dice, self.schedule, self.server, self.network, self.nodes, self.operators, self.tell)
        for _ in range(dice.randint(0, 10)):
            self.schedule.after(dice.uniform(0.0, until), misfortunes.draw())

    def _live_through_faults(self) -> None:
        self._until(lambda: self.schedule.now >= self.scenario.faults_until)
        self.tell("the weather clears up")
        self.network.weather = Weather(lateness=self.network.weather.lateness)
        self.nodes.slow = 0.0
        self.operators.start_all()
        self.people.resume_all()

    def _come_to_rest(self) -> None:
        end = self.schedule.now + _CALM
        quiet_since = 0.0
        while self.violation is None and (quiet_since == 0.0 or self.schedule.now < quiet_since + _QUIET):
            target = self.schedule.now + 1.0
            self.schedule.after(1.0, lambda: None)
            self._until(lambda target=target: self.schedule.now >= target)  # type: ignore[misc]
            busy = self._busy()
            quiet_since = 0.0 if busy else quiet_since or self.schedule.now
            if busy and self.schedule.now > end:
                self.violate(f"never comes to rest: {', '.join(busy)}")
        self.tell("everything has ended")

    def _busy(self) -> list[str]:
        """Name what hasn't ended."""
        # Watches of Leases and their renewals go on for ever; what counts are writes that nobody waits for any more.
        late = [f"{self.network.late} late requests"] if self.network.late else []
        going = [
            f"{place.name} ({(document.get('status') or {}).get('phase')})"
            for place, document in self.server.every("workflows")
            if _goes_on(document)
        ]
        return going + [place.name for place in self.nodes.running] + late

    def _compare(self) -> None:
        """Compare what was recorded with what has to come out, and count the writes."""
        for place, document in self.server.every("workflows"):
            known = self.people.known.get(place)
            found = WorkflowStatus.from_json(document.get("status"))
            cancelled = (document["metadata"].get("annotations") or {}).get(CANCEL) == str(found.run)
            if known is None or cancelled:
                continue
            wanted = expected({**document["spec"], "suspend": False}, self.templates)
            said = disagreements(found, wanted, exact=known.exact)
            if said:
                self.violate(f"{place.name} came to another end: {'; '.join(said)}")
        allowed = 60 + 30 * self.checker.made.total() + 4 * self.network.troubles
        allowed += 40 * len(self.people.known) + 30 * (self.people.acts + self.operators.crashes)
        if self.network.writes > allowed:
            self.violate(f"{self.network.writes} writes; {allowed} would have been many")

    def _clean_up(self) -> None:
        """Let every process end, so that nothing of it is left to be warned of."""
        self.schedule.drop()
        processes = self.operators.processes.values()
        for process in processes:
            process.bury()
        while not all(process.over for process in processes) and self.schedule.step():
            pass

    def _until(self, done: Callable[[], bool]) -> None:
        while self.violation is None and not done() and self.schedule.step():
            pass


def simulate(seed: int, build: Build | None = None, scenario: Scenario | None = None) -> Outcome:
    """Run a seed; with other operators than ours, or in a certain scenario, where that is asked for."""
    return Simulation(seed, build or Build(), scenario or Scenario.draw(_dice(seed, "scenario"))).run()


def _goes_on(document: Json) -> bool:
    """Whether a Workflow's run hasn't ended, or another one is to follow."""
    metadata, status = document["metadata"], document.get("status") or {}
    phase: str | None = status.get("phase")
    if phase is None or not WorkflowPhase(phase).ended or status["observedGeneration"] != metadata["generation"]:
        return True
    rerun = (metadata.get("annotations") or {}).get(RERUN, "").split(" ")[0]
    return bool(rerun == str(status.get("run"))) and phase != WorkflowPhase.INVALID


def _dice(seed: int, part: str) -> Random:
    return Random(f"{seed}/{part}")  # noqa: S311  nothing here is a secret
