"""`fairlead logs`: what jobs have written, and go on writing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fairlead.cli.naming import workflow_argument
from fairlead.cli.showing import console, show, standard_output
from fairlead.cli.where import UnansweredError, carry_out, opened, where_options
from fairlead.engine.runs import NotFoundError
from fairlead.model.problem import one_line
from fairlead.view.choosing import Choice, missing
from fairlead.view.follow import labels
from fairlead.view.logtext import PALETTE, LogText, Look, Style
from fairlead.view.logview import LogView, Written
from fairlead.view.nodes import is_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairlead.cli.where import Where
    from fairlead.engine.runs import Found, Log, Runs
    from fairlead.view.exits import Exit


@click.command("logs", short_help="Show what jobs have written.")
@workflow_argument
@where_options
@click.option(
    "-j", "--job", metavar="JOB[/COMBINATION]", help="Only this job, or this combination: its number or name."
)
@click.option("-s", "--step", metavar="STEP", help="Only this step: its id or name.")
@click.option("--run", "run", type=click.IntRange(1), metavar="N", help="Of this run. [the newest]")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Of this attempt. [the newest]")
@click.option("--service", metavar="SERVICE", help="What this service of the job has written, not the job.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run, or the one job that is named, is over.")
@click.option("--prefix/--no-prefix", default=None, help="Name the job before each line. [where there are several]")
@click.option("--fold/--no-fold", default=True, help="Put each step under a header. [they do]")
@click.option("--raw", is_flag=True, help="Show it as it was written, the driver's markers included.")
@click.option("-o", "--output", type=click.Choice(("text", "github")), default="text", show_default=True)
def logs_command(
    name: str,
    *,
    where: Where,
    job: str | None,
    step: str | None,
    run: int | None,
    attempt: int | None,
    service: str | None,
    follow: bool,
    prefix: bool | None,
    fold: bool,
    raw: bool,
    output: str,
) -> None:
    """Show what the jobs of the Workflow NAME have written, step by step, in the order of the jobs.

    With --follow jobs that run side by side are mixed, each line with its job's name.

    \b
    fairlead logs ci -n team --job test/2 --step pytest
    fairlead logs ci -n team -f
    fairlead logs ci -n team --job db-test --service postgres
    """  # noqa: D301  click's mark for lines to be kept
    style = Style.GITHUB if output == "github" else Style.RAW if raw else Style.FOLDED if fold else Style.FLAT
    choice = Choice(job, step, run, attempt, service)
    carry_out(_logs(where, name, choice, style, follow=follow, prefix=prefix))


async def _logs(
    where: Where, name: str, choice: Choice, style: Style, *, follow: bool, prefix: bool | None
) -> Exit | None:
    async with opened(where, name) as runs:
        found = await runs.get(name)
        newest = choice.service is None and choice.attempt is None and not choice.is_past(found)
        if follow and newest and not is_over(found.record.resource.status):
            choice.check(found)
            several = choice.job is None or choice.is_matrix(found)
            view = LogView(_Writer(style, prefixed=several if prefix is None else prefix), choice, found)
            await show(runs, name, view, over=choice.is_over)
            return None
        there = await runs.logs(found)
        logs = choice.of(found, there)
        gone = missing(found, choice, there)
        if gone and not logs:
            raise UnansweredError(gone)
        if gone:
            click.echo(f"({gone})", err=True)
        if not logs:
            click.echo(f"{one_line(name)} has written nothing yet", err=True)
            return None
        await _show(runs, found, logs, choice, style, follow=follow, prefix=prefix)
        return None


async def _show(
    runs: Runs, found: Found, logs: Sequence[Log], choice: Choice, style: Style, *, follow: bool, prefix: bool | None
) -> None:
    writer = _Writer(style, prefixed=len(logs) > 1 if prefix is None else prefix)
    for log in logs:
        shown = choice.shown(found, log)
        known = labels(shown.state) if shown is not None and log.attempt == shown.state.attempt else ()
        title = shown.title if shown is not None else str(log.node)
        text = writer.begin(f"{title}/{log.service}" if log.service else title, choice.label(found, shown), known)
        try:
            async for piece in runs.read(found, log, follow=follow):
                text.feed(piece)
        except NotFoundError as error:
            click.echo(f"({one_line(str(error))})", err=True)
        text.end()


class _Writer:
    """Begins logs on standard output; each title has its colour."""

    def __init__(self, style: Style, *, prefixed: bool) -> None:
        screen = console()
        self._out = standard_output()
        self._style = style
        self._colours = screen.is_terminal and not screen.no_color and not screen.is_dumb_terminal
        self._prefixed = prefixed
        self._seen: list[str] = []

    def begin(self, title: str, step: str | None, known: Sequence[str]) -> Written:
        """Give what takes a log of a title."""
        if title not in self._seen:
            self._seen.append(title)
        colour = PALETTE[self._seen.index(title) % len(PALETTE)]
        prefix = ""
        if self._prefixed and self._style is Style.GITHUB:
            prefix = f"{title} / "
        elif self._prefixed:
            prefix = f"{colour}{title} |\x1b[0m " if self._colours else f"{title} | "
        raw = self._style is Style.RAW and not self._colours and not prefix and not sys.stdout.isatty()
        if raw:
            return RawText()
        look = Look(self._style, self._colours, prefix, step, neutral=self._style is Style.GITHUB)
        return LogText(self._out.write, look, known)

    def remark(self, text: str) -> None:
        """Say on standard error what became of a log."""
        click.echo(f"({text})", err=True)


class RawText:
    """Writes bytes as they are, into a pipe or a file."""

    def feed(self, piece: bytes) -> None:
        """Write a piece."""
        sys.stdout.buffer.write(piece)

    def end(self) -> None:
        """Let it go."""
        sys.stdout.buffer.flush()
