"""Random small workflows, and what people do with them.

How each attempt ends is written into its environment (`tests.simulation.nodes`), so the results of a workflow follow
from its spec, unless something in it is a race; `exact` tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from random import Random

Json: TypeAlias = dict[str, Any]

TEMPLATES = ("one", "two")
_GROUPS = ("g", "G", "h")
_JOB_GROUPS = ("x", "y")


@dataclass(frozen=True, slots=True)
class Workload:
    """A spec, and whether its end is the same whatever happens meanwhile."""

    spec: Json
    exact: bool


@dataclass(slots=True)
class Author:
    """Writes workflows. `groups`: whether some have concurrency groups; `crowded`: all are small, and want the same.

    `wide`: matrices have many combinations, rather than few.
    """

    dice: Random
    groups: bool
    crowded: bool = False
    wide: bool = False
    _races: bool = field(default=False, init=False)

    def workflow(self) -> Workload:
        """Write one."""
        self._races = False
        if self.crowded:
            return self._small()
        jobs: dict[str, Json] = {}
        shape = self.dice.choice(("chain", "diamond", "any", "any"))
        for index in range(4 if shape == "diamond" else self.dice.randint(1, 5)):
            jobs[f"j{index}"] = self._job(self._needs(shape, list(jobs)))
        spec: Json = {"defaults": {"image": "busybox"}, "jobs": jobs}
        if self.groups and self._chance(0.5):
            spec["concurrency"] = self._concurrency(_GROUPS)
        if self._chance(0.15):
            spec["maxParallel"] = self.dice.randint(1, 2)
        if self._chance(0.1):
            spec["failFast"] = True
            self._races = True
        if self._chance(0.05):
            spec["timeout"] = self.dice.randint(5, 30)
            self._races = True
        if self._chance(0.1):
            spec["priority"] = self.dice.randint(1, 3)
        return Workload(spec, not self._races)

    def _small(self) -> Workload:
        """Write one or two jobs in a group that everybody wants."""
        jobs = {"j0": self._plain([], "a")}
        if self._chance(0.2):
            jobs["j0"] = {"needs": [], "uses": self.dice.choice(TEMPLATES), "with": {"x": "a"}}
        if self._chance(0.3):
            jobs["j1"] = self._plain(["j0"], "b")
        if self._chance(0.3):
            jobs["j0"]["concurrency"] = self._concurrency(_JOB_GROUPS[:1])
        spec: Json = {"defaults": {"image": "busybox"}, "jobs": jobs}
        if self._chance(0.8):
            spec["concurrency"] = self._concurrency(_GROUPS[:1])
        if self._chance(0.3):
            spec["priority"] = self.dice.randint(1, 3)
        return Workload(spec, not self._races)

    def template(self) -> Json:
        """Write a template: a chain of one or two jobs, with an input and an output."""
        jobs = {"t0": self._plain([], "${{ inputs.x }}t")}
        if self._chance(0.5):
            jobs["t1"] = self._plain(["t0"], "${{ needs.t0.outputs.v }}u")
        last = list(jobs)[-1]
        return {
            "defaults": {"image": "busybox"},
            "inputs": {"x": {"type": "string", "default": "d"}},
            "outputs": {"v": f"${{{{ jobs.{last}.outputs.v }}}}"},
            "jobs": jobs,
        }

    def _needs(self, shape: str, earlier: list[str]) -> list[str]:
        match shape:
            case "chain":
                return earlier[-1:]
            case "diamond":
                return [[], ["j0"], ["j0"], ["j1", "j2"]][len(earlier)]
            case _:
                return [each for each in earlier if self._chance(0.4)]

    def _job(self, needs: list[str]) -> Json:
        value = "".join(f"${{{{ needs.{need}.outputs.v }}}}" for need in needs) + self.dice.choice("abc")
        kind = self.dice.random()
        if kind < 0.1:
            return {"needs": needs, "uses": self.dice.choice(TEMPLATES), "with": {"x": value}}
        if kind < 0.2:
            # The value of a need is empty where it was skipped or has failed.
            check = self._either("true", "false")
            if needs and self._chance(0.5):
                check = f"needs.{needs[0]}.outputs.v != ''"
            return {"needs": needs, "check": f"${{{{ {check} }}}}", "outputs": {"v": value}}
        job = self._plain(needs, value)
        if kind < (0.8 if self.wide else 0.4):
            job |= self._matrix(job)
        if self.groups and self._chance(0.15):
            job["concurrency"] = self._concurrency(_JOB_GROUPS)
        if self._chance(0.2):
            job["if"] = self.dice.choice(("always()", "failure()", "success() || failure()", "cancelled()"))
        if self._chance(0.1):
            job["continueOnError"] = True
        if self._chance(0.05):
            job["enabled"] = False
        return job

    def _plain(self, needs: list[str], value: str) -> Json:
        limit = self.dice.choice((0, 0, 0, 1, 2))
        codes = [self.dice.choice((0, 0, 0, 0, 1)) for _ in range(limit + 1)]
        env = {
            "SIM_SECONDS": str(round(self.dice.choice((0.1, 1.0, 5.0, 15.0)) * self.dice.uniform(0.5, 1.5), 2)),
            "SIM_CODES": ",".join(map(str, codes)),
            "SIM_VALUE": value,
        }
        job: Json = {
            "needs": needs,
            "env": env,
            "steps": [{"id": "s", "run": "true"}],
            "outputs": {"v": "${{ steps.s.outputs.v }}"},
        }
        if limit:
            job["retry"] = {"limit": limit, "delay": self.dice.choice(("0s", "1s", "5s"))}
        return job

    def _matrix(self, job: Json) -> Json:
        fails_fast = self._chance(0.5)
        failing = self.dice.choice((None, None, 0, 1))
        codes = job["env"]["SIM_CODES"] if failing is None else f"${{{{ matrix.x == {failing} && '1' || '0' }}}}"
        if fails_fast and (failing is not None or "1" in codes):
            self._races = True
        fewest, most = (3, 7) if self.wide else (1, 3)
        strategy: Json = {"matrix": {"x": list(range(self.dice.randint(fewest, most)))}, "failFast": fails_fast}
        if self._chance(0.3):
            strategy["maxParallel"] = self.dice.randint(1, 2)
        # What ends last gives the job's output, which is a race where combinations differ.
        return {"strategy": strategy, "env": {**job["env"], "SIM_CODES": codes}}

    def _concurrency(self, names: tuple[str, ...]) -> Json:
        cancels, queue = self._chance(0.3), self._either("all", "latest")
        # Of those that wait in one group, any newer one may push others aside.
        self._races = True
        return {"group": self.dice.choice(names), "cancelInProgress": cancels, "queue": queue}

    def _either(self, one: str, other: str) -> str:
        return one if self.dice.random() < 0.5 else other

    def _chance(self, part: float) -> bool:
        return self.dice.random() < part
