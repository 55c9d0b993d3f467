"""Text that somebody else wrote, made harmless for a terminal: colours may pass, nothing else that it would obey."""

from __future__ import annotations

import re
from typing import Final

RESET: Final = "\x1b[0m"

_ESCAPE: Final = re.compile(
    r"(?:\x1b\[|\x9b)(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])?"  # CSI: colours, cursor, clearing
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links, the clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"
)
"""ECMA-48 and what xterm adds to it, in a line: what isn't closed there ends with it."""

_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Besides control characters those that turn the direction of the text around, and can so make it lie."""

_COLOUR: Final = re.compile(r"(?:[0-47]|2[1-47]|3[0-9]|4[0-9]|9[0-7]|10[0-7])?")
_EXTENDED: Final = re.compile(r"[34]8[;:](?:5[;:]\d{1,3}|2[;:](?:[;:]?\d{1,3}){3})")
_MOST_CARRIED: Final = 80


def harmless(text: str, *, colours: bool) -> str:
    """Give one line as a terminal would show it, without what it would obey.

    Of what carriage returns overwrite the last is left. With `colours` SGR sequences for colours, bold, faint, italic,
    underlined and inverse stay.
    """
    if "\r" in text:
        text = next((part for part in reversed(text.split("\r")) if part), "")
    if text.isprintable():
        return text
    kept: list[str] = []
    end = 0
    for found in _ESCAPE.finditer(text):
        kept.append(_CONTROL.sub("", text[end : found.start()]))
        if colours and found["final"] == "m" and _is_colour(found["parameters"]):
            kept.append(f"\x1b[{found['parameters']}m")
        end = found.end()
    kept.append(_CONTROL.sub("", text[end:]))
    return "".join(kept)


def _is_colour(parameters: str) -> bool:
    return all(_COLOUR.fullmatch(each) for each in _EXTENDED.sub("0", parameters).split(";"))


class Colours:
    """Carries colours over the ends of lines, so that what stands before a line isn't coloured by the one above."""

    def __init__(self) -> None:
        self._active = ""

    def line(self, text: str) -> str:
        """Give a harmless line with the colours that are on at its beginning, and off at its end."""
        if "\x1b" not in text and not self._active:
            return text
        shown = f"{self._active}{text}{RESET}"
        for found in _ESCAPE.finditer(text):
            reset = found["parameters"] in ("", "0")
            self._active = "" if reset else self._active + found[0]
        if len(self._active) > _MOST_CARRIED:
            self._active = ""
        return shown
