"""Points at a place in a source text, for terminals."""

import unicodedata

ELLIPSIS = "…"
UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def point_at(source: str, position: int, width: int = 100) -> str:
    """Return the line of `source` that holds `position`, and a second line with a caret under it.

    `position` counts characters from 0 and may be the end of the source. White space becomes blanks and
    control characters a replacement mark, so nothing in the source can move the cursor. A line longer
    than `width` is cut around the position.
    """
    start = source.rfind("\n", 0, position) + 1
    end = source.find("\n", position)
    end = len(source) if end < 0 else end
    left = start if end - start <= width else max(start, min(position - width // 2, end - width))
    right = min(end, left + width)

    before = (ELLIPSIS if left > start else "") + _printable(source[left:position])
    after = _printable(source[position:right]) + (ELLIPSIS if right < end else "")
    return f"{before}{after}\n{' ' * _columns(before)}^"


def _printable(text: str) -> str:
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else UNPRINTABLE


def _columns(text: str) -> int:
    return sum(map(_character_columns, text))


def _character_columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:  # drawn over the character before
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
