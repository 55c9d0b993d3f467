"""Everything that happened to the objects of a kind while a test went on, by a watch beside it."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.support.kubectl import Json, Kubectl


@dataclass(frozen=True, slots=True)
class Recording:
    """The events of one watch so far."""

    path: Path

    def events(self) -> list[tuple[str, Json]]:
        """Give (ADDED | MODIFIED | DELETED, object), in order."""
        text, decoder = self.path.read_text(), json.JSONDecoder()
        found: list[tuple[str, Json]] = []
        at = text.find("{")
        while at >= 0:
            try:
                event, end = decoder.raw_decode(text, at)
            except json.JSONDecodeError:
                break  # the last one is still being written
            found.append((event["type"], event["object"]))
            at = text.find("{", end)
        return found

    def objects(self) -> list[Json]:
        """Give each object that was ever there, once, as it was last seen."""
        last = {each["metadata"]["uid"]: each for _, each in self.events()}
        return list(last.values())


@contextmanager
def record(kubectl: Kubectl, kind: str) -> Iterator[Recording]:
    """Watch the objects of a kind in the namespace for as long as the block takes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.json"
        with path.open("wb") as file:
            watch = kubectl.start(
                "get", kind, "--watch", "--output-watch-events", "-o", "json", stdout=file, stdin=subprocess.DEVNULL
            )
        try:
            yield Recording(path)
        finally:
            watch.kill()
            watch.wait()
