"""Processes of Pods, seen from the machine that is their node."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


def processes_of(pod_uid: str, word: str) -> list[int]:
    """Find the processes of a Pod whose command line has a word."""
    found = []
    for folder in _PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            groups = (folder / "cgroup").read_text()
        except OSError:
            continue  # it has ended meanwhile
        # The systemd driver writes the dashes of a uid as underscores.
        if word.encode() in words and pod_uid in groups.replace("_", "-"):
            found.append(int(folder.name))
    return found
