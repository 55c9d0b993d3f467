"""`fromJson` and `toJson`: strict JSON in, GitHub's two-space layout out."""

import json
import re
from collections.abc import Iterable
from typing import Final, NoReturn

from .errors import EvaluationError
from .limits import MAX_JSON_DEPTH, MAX_TEXT, TextBuilder
from .values import is_array, is_object, plain_number, to_text

_PROBLEM: Final = "Error parsing JSON when evaluating fromJson"

# The closing quote is optional, so that an open string takes the rest and is not searched again and again.
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)

_quote = json.JSONEncoder(ensure_ascii=False).encode


def from_json(text: str) -> object:
    """Read a JSON text; its whole numbers are ints.

    EvaluationError when the text is no JSON, holds a lone surrogate, is longer than MAX_TEXT or nested
    deeper than MAX_JSON_DEPTH. The message never quotes the text, which may be a secret.
    """
    if not text.strip():
        raise EvaluationError(f"{_PROBLEM}: empty input")
    if len(text) > MAX_TEXT:
        raise EvaluationError(f"{_PROBLEM}: the text is longer than {MAX_TEXT} characters")
    if _is_too_deep(text):
        raise EvaluationError(f"{_PROBLEM}: nested deeper than {MAX_JSON_DEPTH}")
    try:
        value: object = _DECODER.decode(text)
        # No UTF-8, and so neither a status nor a manifest, can hold half a surrogate pair.
        json.dumps(value, ensure_ascii=False).encode() if "\\u" in text else None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise EvaluationError(f"{_PROBLEM}: {error.msg} at {place}") from None
    except UnicodeEncodeError:
        raise EvaluationError(f"{_PROBLEM}: a lone surrogate") from None
    return value


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_JSON_DEPTH:
        return False
    depth = 0
    for token in _STRINGS_AND_BRACKETS.finditer(text):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        if depth > MAX_JSON_DEPTH:
            return True
    return False


def _number(text: str) -> int | float:
    return plain_number(float(text))


def _no_constant(name: str) -> NoReturn:
    raise EvaluationError(f"{_PROBLEM}: {name} is no JSON")


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_no_constant)


def to_json(value: object) -> str:
    """Write the value as JSON with two spaces of indentation, and numbers as they print everywhere.

    EvaluationError when the text would be longer than MAX_TEXT, or nested deeper than MAX_JSON_DEPTH, as
    a value that contains itself is.
    """
    text = TextBuilder()
    _write(value, 0, text)
    return text.build()


def _write(value: object, depth: int, text: TextBuilder) -> None:
    if is_array(value):
        _write_items("[]", (("", item) for item in value), depth, text)
    elif is_object(value):
        members = ((f"{_quote(to_text(key))}: ", item) for key, item in value.items())
        _write_items("{}", members, depth, text)
    elif isinstance(value, str):
        text.append(_quote(value))
    else:
        text.append("null" if value is None else to_text(value))


def _write_items(brackets: str, items: Iterable[tuple[str, object]], depth: int, text: TextBuilder) -> None:
    if depth >= MAX_JSON_DEPTH:
        raise EvaluationError(f"toJson: the value is nested deeper than {MAX_JSON_DEPTH}")
    indentation = "  " * depth
    separator = "\n"
    text.append(brackets[0])
    for label, item in items:
        text.append(f"{separator}{indentation}  {label}")
        _write(item, depth + 1, text)
        separator = ",\n"
    text.append(f"\n{indentation}{brackets[1]}" if separator == ",\n" else brackets[1])
