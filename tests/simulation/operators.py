"""The operator's replicas, each with one process after the other, and what befalls them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from fairlead.engine.shards import Holder
from tests.builders import NOW
from tests.simulation.network import Fate
from tests.simulation.replica import Replica, Witness
from tests.simulation.schedule import Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.network import Network
    from tests.simulation.replica import Build, Setting
    from tests.simulation.schedule import Schedule


@dataclass(slots=True)
class Operators:
    """All of them. `processes` are those that ever ran, by name; `replicas` those that run, by number.

    `violate` is told of what no process may do: raise what nobody foresaw.
    """

    dice: Random
    schedule: Schedule
    network: Network
    setting: Setting
    build: Build
    tell: Callable[[str], None]
    violate: Callable[[str], None]
    processes: dict[str, Process] = field(default_factory=dict)
    replicas: dict[int, Replica] = field(default_factory=dict)
    crashes: int = 0

    def start_all(self) -> None:
        """Have all of them run that are dead, stopped, or about to end."""
        for number, replica in self.replicas.items():
            replica.process.thaw()
            if replica.process.dead or replica.ending:
                replica.process.kill()
                self.start(number)

    def start(self, number: int) -> None:
        """Start a process of a replica."""
        name = f"r{number}.{sum(each.startswith(f'r{number}.') for each in self.processes) + 1}"
        process = Process(self.schedule, name, self.violate)  # type: ignore[abstract]  # what else a loop does isn't used
        self.processes[name] = process
        self.tell(f"{name} starts")
        replica = Replica(
            process,
            self.network,
            lambda: NOW + timedelta(seconds=self.schedule.now),
            Holder(f"r{number}" if self.dice.random() < 0.7 else name.replace(".", "-"), str(len(self.processes))),
            self.setting,
            self.build,
            Witness(name, self.tell, self.violate),
        )
        self.replicas[number] = replica
        replica.start()

    def any(self) -> tuple[int, Replica]:
        """Choose one."""
        number = self.dice.randrange(len(self.replicas))
        return number, self.replicas[number]

    def crash(self) -> None:
        """Kill one, in the midst of what it does; it comes again some time later."""
        number, replica = self.any()
        if not replica.process.dead:
            self.crashes += 1
            self.tell(f"{replica.process.name} is killed")
            replica.process.kill(self.dice.randint(0, 40))
            self.schedule.after(self.dice.choice((0.5, 5.0, 30.0)), partial(self._start_again, number, replica.process))

    def befall(self, process: Process, fate: Fate) -> None:
        """Let the sender of a request die, or be stopped, just after it was sent."""
        number = next((number for number, each in self.replicas.items() if each.process is process), None)
        if number is None:
            return
        if fate is Fate.SENDER_DIES:
            self.crashes += 1
            process.kill()
            self.schedule.after(self.dice.choice((0.5, 5.0, 30.0)), partial(self._start_again, number, process))
        else:
            process.freeze()
            self.schedule.after(self.dice.choice((5.0, 20.0, 60.0)), partial(self._thaw, self.replicas[number]))

    def _start_again(self, number: int, process: Process) -> None:
        if self.replicas[number].process is process:
            process.kill()
            self.start(number)

    def restart(self) -> None:
        """Have one end in good order; it comes again some time later."""
        number, replica = self.any()
        if not replica.process.dead:
            self.crashes += 1
            self.tell(f"{replica.process.name} is stopped")
            replica.stop()
            self.schedule.after(self.dice.choice((1.0, 10.0)), partial(self._start_again, number, replica.process))

    def freeze(self) -> None:
        """Stop one for a while."""
        _, replica = self.any()
        self.tell(f"{replica.process.name} is frozen")
        replica.process.freeze()
        self.schedule.after(self.dice.choice((0.5, 5.0, 20.0, 60.0)), partial(self._thaw, replica))

    def _thaw(self, replica: Replica) -> None:
        self.tell(f"{replica.process.name} goes on")
        replica.process.thaw()
