"""`fairlead`: the command line."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from fairlead import __version__

_COMMANDS: Final = (
    "agent",
    "cancel",
    "completion",
    "convert",
    "crd",
    "eval",
    "graph",
    "lint",
    "list",
    "logs",
    "operator",
    "plan",
    "rerun",
    "run",
    "status",
    "version",
    "watch",
)
"""Each is `NAME_command` in a module of its name."""


class _Group(click.Group):
    """Imports a command when it is named: an agent would wait a second for what only the operator needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them all."""
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, if there is one of that name."""
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        found = getattr(import_module(f"fairlead.cli.{cmd_name}"), f"{cmd_name}_command")
        return found if isinstance(found, click.Command) else None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="fairlead %(version)s")
def main() -> None:
    """CI workflows as Kubernetes resources."""


def kubectl_main() -> None:
    """Run as kubectl's plugin: `kubectl fairlead`."""
    main(prog_name="kubectl fairlead")
