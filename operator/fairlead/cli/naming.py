"""The argument that names a Workflow, and its completion in a shell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from fairlead.cli.where import Where, opened

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE: Final = 2.0
"""Seconds that somebody waits who has pressed Tab."""


def workflow_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the name of a Workflow as its argument."""
    return click.argument("name", shell_complete=_complete)(command)


def _complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:  # noqa: ARG001  click's signature
    given = context.params
    where = Where(bool(given.get("cluster")), given.get("context"), given.get("namespace"), given.get("kubeconfig"))
    try:
        names = asyncio.run(asyncio.wait_for(_names(where), _PATIENCE))
    except Exception:  # noqa: BLE001  whatever is wrong, a shell that completes a word is no place to say so
        return []
    return [CompletionItem(name) for name in names if name.startswith(typed)]


async def _names(where: Where) -> list[str]:
    async with opened(where, quietly=True) as runs:
        return [found.name for found in await runs.list()]
