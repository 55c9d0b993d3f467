"""How the commands show things: on which console, in which view, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from fairlead.engine.errors import EngineError
from fairlead.engine.runs import NotFoundError
from fairlead.plan.runs import CANCEL
from fairlead.syntax.writing import to_yaml
from fairlead.view.exits import Exit, exit_code
from fairlead.view.follow import follow
from fairlead.view.live import LiveView
from fairlead.view.machine import DocumentView, GitHubView
from fairlead.view.plain import PlainView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import TextIO

    from rich.text import Text

    from fairlead.engine.runs import Found, Runs
    from fairlead.model.ids import RunNumber
    from fairlead.view.view import View

VIEWS: Final = ("text", "json", "yaml", "github")


def view_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that follows a run the option that says how."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(VIEWS),
        default="text",
        show_default=True,
        help="text: live on a terminal, else lines; json, yaml: the last status; github: groups and errors.",
    )(command)


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def console() -> Console:
    """Give standard output, with colours where it is a terminal that has them."""
    return Console(highlight=False, markup=False, emoji=False)


def standard_output() -> TextIO:
    """Give standard output; what its encoding can't say is shown as a question mark."""
    out = sys.stdout
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return out


def show_lines(lines: Iterable[Text]) -> None:
    """Print lines, in colour on a terminal."""
    standard_output()
    screen = console()
    for line in lines:
        screen.print(line, soft_wrap=True)


def terminal_width() -> int | None:
    """Give the width at which lines are to be cut; None in a pipe."""
    screen = console()
    return screen.width if screen.is_terminal else None


def show_document(document: object, form: str) -> None:
    """Print a document as JSON or YAML."""
    out = standard_output()
    out.write(dump_json(document) if form == "json" else to_yaml(document))
    out.flush()


def dump_json(document: object) -> str:
    """Write JSON for people and machines."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def view_for(output: str) -> View:
    """Choose how a run is shown while it goes on."""
    out = standard_output()
    match output:
        case "json":
            return DocumentView(out, dump_json)
        case "yaml":
            return DocumentView(out, to_yaml)
        case "github":
            return GitHubView(out, now)
        case _:
            pass
    screen = console()
    if screen.is_terminal and not screen.is_dumb_terminal:
        return LiveView(screen, now)
    return PlainView(out, now)


async def show(
    runs: Runs,
    name: str,
    view: View,
    *,
    after: RunNumber | None = None,
    from_start: bool = True,
    over: Callable[[Found], bool] | None = None,
    interrupted: Callable[[], Awaitable[str]] | None = None,
) -> Exit:
    """Follow a run in a view, and give its result as an exit code. The rest as `view.follow.follow` has it.

    Ctrl-C once calls `interrupted`, which asks for the run's end and gives what to say; Ctrl-C again, or without that
    at once, stops following: 130. So does SIGTERM.
    """
    following = asyncio.create_task(follow(runs, name, view, after=after, from_start=from_start, over=over))
    asked: list[asyncio.Task[None]] = []

    async def ask() -> None:
        assert interrupted is not None  # noqa: S101  what `stop` has checked
        try:
            view.note(await interrupted())
        except (EngineError, NotFoundError) as error:
            view.note(f"it can't be cancelled: {error}; Ctrl-C again stops following")

    def stop() -> None:
        if asked or interrupted is None:
            following.cancel()
        else:
            asked.append(asyncio.ensure_future(ask()))

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGTERM, following.cancel)
    try:
        return exit_code(await following)
    except asyncio.CancelledError:
        return Exit.CANCELLED
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
        await asyncio.gather(*asked, return_exceptions=True)


async def ask_for_end(runs: Runs, name: str) -> str:
    """Ask for the end of a Workflow's run, as Ctrl-C does, and say so."""
    run = (await runs.get(name)).record.resource.status.run or 1
    await runs.annotate(name, {CANCEL: str(run)})
    return f"cancelling run {run}; Ctrl-C again stops following"


def names(words: Sequence[str]) -> str:
    """Write a few names for a message."""
    return ", ".join(words[:10]) + (", …" if len(words) > 10 else "")  # noqa: PLR2004  what a line holds
