"""The operator as a process of this machine, and what it uses up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import fairlead
from bench.observer import StuckError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used: seconds of CPU, MiB of memory now and at most."""

    cpu: float
    memory: float
    peak: float


class Operator:
    """`fairlead operator` for one namespace, with the kubeconfig of this environment. It logs warnings, to `log`."""

    def __init__(self, namespace: str, log: Path, port: int = 18_080, options: Sequence[str] = ()) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        program = [sys.executable, "-c", "import sys; from fairlead.cli.main import main; sys.exit(main())", "operator"]
        self._command = [
            *program,
            f"--namespace={namespace}",
            f"--http-address=127.0.0.1:{port}",
            "--max-combinations=5000",
            "--log-level=warning",
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    def start(self) -> None:
        """Start it; `started_at` is the moment, on the clock of `time.perf_counter`."""
        # The same code as here, whichever copy of it that is.
        path = str(Path(fairlead.__file__).parent.parent)
        with self._log.open("ab") as log:
            self.started_at = time.perf_counter()
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path}
            )

    def wait_until_ready(self, seconds: float = 60) -> float:
        """Wait for /readyz; give the seconds since it was started. Raises StuckError."""
        while time.perf_counter() - self.started_at < seconds:
            if self._process is None or self._process.poll() is not None:
                raise StuckError(f"the operator (it ended; see {self._log})", time.perf_counter() - self.started_at)
            try:
                with urlopen(f"{self.url}/readyz", timeout=2) as answer:  # noqa: S310  our own, on this machine
                    if answer.status == 200:
                        return time.perf_counter() - self.started_at
            except (URLError, OSError):
                pass
            time.sleep(0.02)
        raise StuckError("a ready operator", seconds)

    def usage(self) -> Usage:
        """Read what it has used up to now."""
        assert self._process is not None  # noqa: S101  started
        return usage_of(self._process.pid)

    def metrics(self) -> str:
        """Read its /metrics."""
        with urlopen(f"{self.url}/metrics", timeout=10) as answer:  # noqa: S310  as above
            text: str = answer.read().decode()
            return text

    def stop(self) -> None:
        """End it, however often this is said."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def usage_of(pid: int) -> Usage:
    """Read what a process has used, from /proc."""
    # The name, in parentheses, may have blanks.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    memory = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Vm")
    )
    return Usage(
        cpu=(int(fields[11]) + int(fields[12])) / _TICKS,
        memory=int(memory["VmRSS"].split()[0]) / 1024,
        peak=int(memory["VmHWM"].split()[0]) / 1024,
    )
