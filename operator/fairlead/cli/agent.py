"""`fairlead agent`: what runs beside a job whose steps can't all be filled in before it runs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from fairlead.agent.agent import serve
from fairlead.render.program import parse_program


@click.command("agent", hidden=True)
def agent_command() -> None:
    """Answer the questions of a job's step driver; made for the container beside it."""
    # As PID 1 it would not end at a signal that it has no handler for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        program = parse_program(os.environ)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    home, workspace = os.environ.get("FAIRLEAD_HOME", "/fairlead"), os.environ.get("FAIRLEAD_WORKSPACE", "/workspace")
    serve(Path(home), program, workspace=Path(workspace))
