"""The operator of this checkout as a process of this machine, which may be hurt."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

from e2e.support.waiting import wait_for
from e2e.testcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_CODE: Final = "from fairlead.cli.main import main; main()"
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{[^}]*\})? ([-+0-9.e]+)$", re.MULTILINE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class OperatorProcess:
    """One operator, for one namespace. `starts` counts how often it was started, by us or after it ended by itself."""

    namespace: str
    environment: Mapping[str, str]
    log: Path
    arguments: Sequence[str] = ()
    port: int = field(default_factory=_free_port)
    starts: int = 0
    gave_up: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _file: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; only of one that was started."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it isn't ready then."""
        self.starts += 1
        command = ["operator", "--namespace", self.namespace, f"--http-address=127.0.0.1:{self.port}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, *command, "--log-format=json", "--grace=20s", *self.arguments],
                env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator"), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def keep_up(self) -> None:
        """Do what a kubelet does: start it again if it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            self.gave_up += 1
            self.start()

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until it says that it has read everything."""
        wait_for("the operator to be ready", self._is_ready, seconds=seconds)

    def kill(self) -> None:
        """End it at once, wherever it is."""
        self.send(signal.SIGKILL)
        self.wait()

    def end(self) -> None:
        """Ask it to end, and wait for that."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended doesn't mind."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self) -> None:
        """Wait for its end; one that doesn't come is forced."""
        if self._process is None:
            return
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def metrics(self) -> dict[str, float]:
        """Read its metrics, summed up over their labels; nothing where it doesn't answer."""
        found: dict[str, float] = {}
        for name, value in _SAMPLE.findall(self._get("/metrics")):
            found[name] = found.get(name, 0.0) + float(value)
        return found

    def tail(self, lines: int = 20) -> str:
        """Give the last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def complaints(self) -> list[str]:
        """Give the lines of its log that nothing which is done to it excuses: it has died of something, or stumbled."""
        words = ("a part has died", "Traceback", "unforeseen", "Task exception was never retrieved")
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [line[:400] for line in text.splitlines() if any(word in line for word in words)]

    def _is_ready(self) -> bool:
        self.keep_up()
        return bool(self._get("/readyz"))

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                content: bytes = answer.read()
        except OSError:
            return ""
        return content.decode()


@contextmanager
def run_operator(process: OperatorProcess) -> Iterator[OperatorProcess]:
    """Have it run for as long as the block takes."""
    process.start()
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.end()
