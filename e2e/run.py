"""`make e2e`: all tests on a cluster. Those that only use the operator run in several processes at a time.

Most of a test's time is waiting for Pods. A process takes one module after the other, and what it said is shown when
the module is over. The tests that hurt the operator or the cluster, or look back, follow by themselves.

python -m e2e.run [MODULE…]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from e2e.conftest import INSTALLED, SINCE, STAGES, install
from e2e.support.harness import Harness, HarnessError
from e2e.support.installation import InstallationError
from e2e.support.kubectl import Kubectl
from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AT_A_TIME: Final = 2
"""Processes on two cores; more of them make each other late, as some modules do several things at a time, too."""
LONGEST_FIRST: Final = (
    "semantics",
    "bad_input",
    "examples",
    "hostile_text",
    "parity",
    "changes",
    "matrix_packs",
    "start_trouble",
    "local_containers",
)
_STAGED: Final = " or ".join(STAGES)
_NO_TESTS: Final = 5
"""pytest's exit code where there was nothing to run."""


@dataclass(frozen=True, slots=True)
class Done:
    """A pytest that has ended: what it was, its exit code, and the seconds that it took."""

    what: str
    code: int
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether a test failed, or could not run."""
        return self.code not in (0, _NO_TESTS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the modules that were named, or all of them; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m e2e.run", description="Test on a cluster, and an operator in it.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="a file of tests; all of them if there is none")
    named: list[str] = parser.parse_args(arguments).modules
    began = time.monotonic()
    try:
        environment = _prepare()
    except (HarnessError, InstallationError) as error:
        print(f"error: {error}")
        return 1
    modules = named or [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "e2e").glob("test_*.py")]
    modules = sorted(modules, key=lambda name: (_weight(name), name))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        done = list(pool.map(lambda name: _beside(name, environment), modules))
    done.append(_alone(named or ["e2e"], environment))
    for each in sorted(done, key=lambda each: -each.seconds):
        print(f"{each.seconds:5.0f} s  {'FAILED  ' if each.failed else ''}{each.what}")
    print(f"{time.monotonic() - began:5.0f} s  in all")
    return 1 if any(each.failed for each in done) else 0


def _prepare() -> Mapping[str, str]:
    """Have the cluster and the operator; give the environment that tells the tests so."""
    harness = Harness.of_this_process()
    harness.cluster("up")
    since = harness.audit_log.stat().st_size if harness.ours else 0
    install(harness, Kubectl(harness.environment()))
    return {**os.environ, INSTALLED: "1", SINCE: str(since)}


def _weight(module: str) -> int:
    name = Path(module).stem.removeprefix("test_")
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


def _beside(module: str, environment: Mapping[str, str]) -> Done:
    """Run what only uses the operator, and say it all at once."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", f"not ({_STAGED})", module]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != _NO_TESTS:
        print(done.stdout, flush=True)
    return Done(module, done.returncode, time.monotonic() - began)


def _alone(paths: Sequence[str], environment: Mapping[str, str]) -> Done:
    """Run the others, one after another."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-m", _STAGED, *paths]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False)
    return Done("what hurts, needs to be alone, or looks back", done.returncode, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
