from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.render.driving import PATH

if TYPE_CHECKING:
    from pathlib import Path

    from tests.render.driving import Clock, Shell


@pytest.fixture
def clock(tmp_path: Path, shell: Shell) -> Clock:
    """Give a timeout that comes when a step has made the file `ready`, and the environment for that.

    The driver's `sleep` is then ours: 90 lasts until that moment, 7 no time at all if there is a file `deaf`, and 60
    until there is a file `endless`. For busybox the time is real, because it prefers its own sleep to the one on PATH.
    """
    if "busybox" in shell:
        return 1, {}
    sleep = tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text(
        """#!/bin/sh
        cd "$FAIRLEAD_WORKSPACE"
        case $1 in
        90) until [ -e ready ]; do :; done ;;
        7) [ -e deaf ] || exec /bin/sleep 7 ;;
        60) until [ -e endless ]; do :; done ;;
        *) exec /bin/sleep "$@" ;;
        esac
        """
    )
    sleep.chmod(0o755)
    return 90, {"PATH": f"{sleep.parent}:{PATH}"}
