"""JSON as an API server writes it, of any depth: what lies deeper than anybody reads is left out.

The server takes objects of nearly 10,000 levels; Python's parsers give up after some 1,000. One such object must not
hide all the others of its list, or of its watch.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

MOST_LEVELS: Final = 200
"""Levels that are left where something is cut: three times as many as a spec may have, so that it is still refused for
its depth; and few enough to be walked through by recursion."""

_STRING: Final = rb'"(?:[^"\\]|\\.)*+"'
_STRINGS: Final = re.compile(_STRING, re.DOTALL)
_TOKENS: Final = re.compile(_STRING + rb"|[\[{]|[\]}]", re.DOTALL)
_ALIKE: Final = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def read_json(content: bytes) -> Any:  # noqa: ANN401  a JSON document
    """Read a document; one that is too deep for the parser, as `shallow` leaves it. Raises orjson.JSONDecodeError."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # Looking for depth takes longer than parsing, so only what has failed is looked at.
        return orjson.loads(shallow(content))


def shallow(content: bytes) -> bytes:
    """Put null in the place of each list and map that lies deeper than MOST_LEVELS; the same text if there is none."""
    if not _is_deep(content):
        return content
    kept: list[bytes] = []
    depth = start = 0
    for found in _TOKENS.finditer(content):
        match found[0]:
            case b"[" | b"{":
                depth += 1
                if depth == MOST_LEVELS + 1:
                    kept += [content[start : found.start()], b"null"]
            case b"]" | b"}":
                if depth == MOST_LEVELS + 1:
                    start = found.end()
                depth -= 1
            case _:
                pass
    return b"".join([*kept, content[start:]])


def _is_deep(content: bytes) -> bool:
    """Whether it has more levels: mostly told by counting."""
    if content.count(b"{") + content.count(b"[") <= MOST_LEVELS:
        return False
    brackets = _STRINGS.sub(b"", content).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(MOST_LEVELS):
        brackets = brackets.replace(b"{}", b"")
        if not brackets:
            return False
    return True
