"""`fairlead eval`: what an expression gives."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click
import yaml

from fairlead.expressions import ExpressionError, Functions, evaluate, evaluate_template, fold, to_text
from fairlead.expressions.jsontext import to_json
from fairlead.expressions.template import OPENING
from fairlead.model.problem import closest, one_line, quote
from fairlead.model.status_functions import HASH_FILES, status_functions

if TYPE_CHECKING:
    from collections.abc import Mapping

_STANDARD_INPUT: Final = "-"
_NAMED = re.compile(r"([a-zA-Z_][a-zA-Z0-9_-]*)=(.*)", re.DOTALL)
_STATUSES = ("success", "failure", "cancelled")
_MOST_NAMES = 20


@click.command("eval", short_help="Evaluate an expression.")
@click.argument("expression")
@click.option(
    "-c",
    "--context",
    "sources",
    metavar="[NAME=]FILE",
    multiple=True,
    help="A JSON or YAML file with the contexts by name, or with the one that is NAME; - is standard input. "
    "May be repeated: a later context takes the place of an earlier one.",
)
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
    default="success",
    show_default=True,
    help="What success(), failure() and cancelled() are about.",
)
@click.option("-r", "--raw", is_flag=True, help="Print a text as it is, not as JSON.")
def eval_command(expression: str, sources: tuple[str, ...], status: str, *, raw: bool) -> None:
    """Print the value of EXPRESSION as JSON.

    It is written with or without ${{ }}; with other text around that, the result is text. Put -- before one that begins
    with a minus. Exit code 1 says that the expression is wrong, 2 that the command is.

    \b
    fairlead eval "inputs.version || 'latest'" --context contexts.json
    fairlead eval 'image:${{ matrix.python }}' --context matrix=matrix.yaml --raw
    """  # noqa: D301  click's mark for lines to be kept
    contexts = _contexts(sources)
    functions = status_functions(
        success=status == "success", failure=status == "failure", cancelled=status == "cancelled"
    ).extended(HASH_FILES)
    try:
        value = _evaluate(expression, contexts, functions)
        text = value if raw and isinstance(value, str) else to_json(value)
    except ExpressionError as error:
        raise click.ClickException(_told(error, contexts)) from None
    # Half a surrogate pair, which JSON files can hold, becomes an escape of JSON's again.
    click.echo(text.encode(errors="backslashreplace"))


def _evaluate(expression: str, contexts: Mapping[str, object], functions: Functions) -> object:
    if OPENING in expression:
        return evaluate_template(expression, contexts, functions)
    return evaluate(expression, contexts, functions)


def _told(error: ExpressionError, contexts: Mapping[str, object]) -> str:
    """Say what is wrong, what was probably meant, and show the place."""
    symbol = error.symbol or ""
    message = one_line(f"{error.reason}: '{symbol}'" if symbol else error.reason)
    if error.reason == "Unrecognized named-value":
        message += _hint(symbol, contexts)
    if not error.source:
        return message
    line, caret = error.caret().split("\n")
    return f"{message}\n  {line}\n  {caret}"


def _hint(name: str, contexts: Mapping[str, object]) -> str:
    if not contexts:
        return "; no contexts are given, add --context FILE"
    meant = closest(name, contexts)
    if meant:
        return f"; did you mean {quote(meant)}?"
    known = [quote(each) for each in contexts][:_MOST_NAMES]
    return f"; the contexts given are {', '.join(known)}"


def _contexts(sources: tuple[str, ...]) -> dict[str, object]:
    """Read the files; contexts have no case, and the last one of a name counts."""
    found: dict[str, tuple[str, object]] = {}
    if sum(_split(source)[1] == _STANDARD_INPUT for source in sources) > 1:
        _refuse("standard input can be read only once")
    for source in sources:
        name, path = _split(source)
        document = _read(path)
        if name:
            document = {name: document}
        if not isinstance(document, dict):
            kind = "a list" if isinstance(document, list) else "a single value"
            _refuse(f"{quote(path)} holds {kind}, not contexts by name; write NAME={path} to give it one")
        for key, value in document.items():
            found[fold(to_text(key))] = to_text(key), value
    return dict(found.values())


def _split(source: str) -> tuple[str, str]:
    named = _NAMED.fullmatch(source)
    return (named[1], named[2]) if named else ("", source)


def _read(path: str) -> object:
    try:
        content = _standard_input() if path == _STANDARD_INPUT else Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        _refuse(f"can't read {quote(path)}: {error.strerror}")
    except ValueError:
        _refuse(f"{quote(path)} is not UTF-8")
    try:
        return _parse(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        _refuse(f"{quote(path)} is neither JSON nor YAML: {one_line(error.problem or '')}{place}")
    except RecursionError:
        _refuse(f"{quote(path)} is nested too deeply")
    except (yaml.YAMLError, ValueError) as error:
        _refuse(f"{quote(path)} is neither JSON nor YAML: {one_line(str(error))}")


def _standard_input() -> bytes:
    if sys.stdin is None:
        _refuse("standard input is closed")
    return sys.stdin.buffer.read()


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        # Nearly a superset: 1e5, for one, is a text in YAML, so JSON comes first.
        document = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
        return {} if document is None else document


class _Loader(yaml.SafeLoader):
    """Reads dates as the texts that they are, the language having none, and `on` and `yes`, as YAML 1.2 does, too."""


_BOOLEAN = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOLEAN, "tag:yaml.org,2002:timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))


def _refuse(reason: str) -> NoReturn:
    raise click.BadParameter(reason, param_hint="'--context'")
