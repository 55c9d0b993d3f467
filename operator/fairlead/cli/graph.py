"""`fairlead graph`: the graph of a workflow's jobs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from fairlead.cli.checked import check_file, show_errors
from fairlead.cli.excerpt import show, terminal
from fairlead.cli.files import read_workflow
from fairlead.graph.dag import dag_of
from fairlead.graph.languages import dot, mermaid
from fairlead.graph.svg import svg
from fairlead.graph.text import draw
from fairlead.plan.forecast import forecast

if TYPE_CHECKING:
    from rich.console import Console

_FORMATS: Final = ("text", "mermaid", "svg", "dot")


@click.command("graph", short_help="Draw the graph of a workflow's jobs.")
@click.argument("file")
@click.option("-o", "--output", type=click.Choice(_FORMATS), default="text", show_default=True)
def graph_command(file: str, output: str) -> None:
    """Draw the jobs of the Workflow in FILE (- for standard input), and what needs what.

    The drawings (text, svg) leave out the needs that others imply; mermaid and dot have all of them. Jobs that depend
    on a condition are marked, and so are those that are skipped, as `fairlead plan` tells. In a pipe, and where a
    terminal has no UTF-8, the lines are ASCII.

    Exit code 1: the workflow has errors. 2: the file can't be read.

    \b
    fairlead graph ci.yaml
    fairlead graph ci.yaml -o svg > ci.svg
    """  # noqa: D301  click's mark for lines to be kept
    source = read_workflow(file)
    checked = check_file(source)
    if checked.workflow is None:
        show_errors(checked)
        raise SystemExit(1)
    dag = dag_of(forecast(checked.workflow, checked.resource, checked.written))
    console = terminal()
    match output:
        case "mermaid":
            console.print(mermaid(dag))
        case "svg":
            console.print(svg(dag, source.name))
        case "dot":
            console.print(dot(dag, source.name))
        case _:
            width = console.width if console.is_terminal else None
            show(console, draw(dag, width=width, plain=not _draws_lines(console)))


def _draws_lines(console: Console) -> bool:
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    return console.is_terminal and encoding.startswith("utf")
