"""Values as PowerShell source, in the script of a step: never anything but what they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fairlead.convert.powershell import SINGLE

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTES: Final = re.compile(f"[{SINGLE}]")


def quoted(text: str) -> str:
    """Write a text that nothing in it is filled in, whatever quotes it has."""
    return f"'{_QUOTES.sub(lambda found: found[0] * 2, text)}'"


def literal(value: object) -> str:
    """Write what JSON knows, on one line but for the lines of its texts."""
    match value:
        case None:
            return "$null"
        case bool():
            return "$true" if value else "$false"
        case int() | float():
            return repr(value)
        case list():
            return f"@({', '.join(map(literal, value))})"
        case dict():
            return f"@{{ {'; '.join(f'{quoted(key)} = {literal(each)}' for key, each in value.items())} }}"
        case _:
            return quoted(str(value))


def plain(text: str) -> str:
    """Keep a text from being filled in by Fairlead: it has no expressions, even where it looks so."""
    return text.replace("${{", "${{ '${{' }}")


def table(entries: Mapping[str, str]) -> str:
    """Write a hashtable, an entry a line; its values are source already."""
    if not entries:
        return "@{}"
    lines = (f"  {quoted(key)} = {value}\n" for key, value in entries.items())
    return f"@{{\n{''.join(lines)}}}"
