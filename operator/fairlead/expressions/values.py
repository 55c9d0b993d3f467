"""The values of the language: their kinds, coercions, comparison and text.

The rules are those of EvaluationResult.cs and ExpressionUtility.cs in actions/runner: JavaScript's
abstract comparison, except that strings have no case and that arrays and objects are never coerced.
A value is None, a bool, an int or a float (numbers are doubles), a str, any Sequence or any Mapping.
"""

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeGuard

from .errors import EvaluationError

WHITESPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What .NET's Char.IsWhiteSpace accepts: Python's str.isspace without the separators U+001C to U+001F."""

_DECIMAL = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_OCTAL = re.compile(r"0o[0-7]+")
_INFINITY = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}

_ALMOST_ASCII = {"\N{LATIN SMALL LETTER DOTLESS I}", "\N{LATIN SMALL LETTER LONG S}"}
_EXACT_INTEGERS = 1 << 53
_PLAIN_DIGITS = 10**15


class Kind(StrEnum):
    """The kinds of values. An array or object prints as the name of its kind."""

    NULL = "Null"
    BOOLEAN = "Boolean"
    NUMBER = "Number"
    STRING = "String"
    ARRAY = "Array"
    OBJECT = "Object"


_KINDS: dict[type, Kind] = {
    type(None): Kind.NULL,
    bool: Kind.BOOLEAN,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    str: Kind.STRING,
    list: Kind.ARRAY,
    dict: Kind.OBJECT,
}
_COLLECTIONS = frozenset({Kind.ARRAY, Kind.OBJECT})


def kind_of(value: object) -> Kind:
    """Return the kind; EvaluationError for a Python object that the language has no kind for."""
    return _KINDS.get(type(value)) or _kind_by_interface(value)


def _kind_by_interface(value: object) -> Kind:
    match value:
        case bool():
            return Kind.BOOLEAN
        case int() | float():
            return Kind.NUMBER
        case str():
            return Kind.STRING
        case Mapping():
            return Kind.OBJECT
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return Kind.ARRAY
        case _:
            raise EvaluationError(f"An expression cannot use a value of the type {type(value).__name__}")


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether the value's kind is ARRAY."""
    return kind_of(value) is Kind.ARRAY


def is_object(value: object) -> TypeGuard[Mapping[object, object]]:
    """Whether the value's kind is OBJECT."""
    return kind_of(value) is Kind.OBJECT


def is_primitive(value: object) -> bool:
    """Neither an array nor an object."""
    return kind_of(value) not in _COLLECTIONS


def truthy(value: object) -> bool:
    """Decide as `if` does: null, false, 0, NaN and '' are false, all else is true, even [] and {}."""
    match kind_of(value):
        case Kind.ARRAY | Kind.OBJECT:
            return True
        case Kind.NUMBER:
            number = to_number(value)
            return number != 0 and not math.isnan(number)
        case _:
            return bool(value)


def to_number(value: object) -> float:
    """Null is 0, booleans are 0 and 1, strings as parse_number reads them, arrays and objects are NaN."""
    match value:
        case None:
            return 0.0
        case float():
            return value
        case int():
            return _double(value)
        case str():
            return parse_number(value)
        case _:
            return math.nan


def parse_number(text: str) -> float:
    """JavaScript's Number(): '' is 0; decimal, 0x, 0o and ±Infinity are read; the rest is NaN."""
    text = text.strip(WHITESPACE)
    if not text:
        return 0.0
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _HEXADECIMAL.fullmatch(text):
        return _double(int(text, 16))
    if _OCTAL.fullmatch(text):
        return _double(int(text, 8))
    return _INFINITY.get(text, math.nan)


def _double(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def plain_number(number: float) -> int | float:
    """Return an int where that loses nothing (-0 becomes 0), else the float."""
    if number.is_integer() and abs(number) <= _EXACT_INTEGERS:
        return int(number)
    return number


def to_text(value: object) -> str:
    """How a value appears in text: null is '', numbers as format_number, collections as their kind."""
    if isinstance(value, str):
        return value
    match kind_of(value):
        case Kind.NULL:
            return ""
        case Kind.BOOLEAN:
            return "true" if value else "false"
        case Kind.NUMBER:
            return format_number(to_number(value))
        case kind:
            return kind.value


def format_number(number: float) -> str:
    """.NET's G15: 15 significant digits, `1E+15` and `1E-05` for the very large and small; -0 is 0."""
    if number.is_integer() and abs(number) < _PLAIN_DIGITS:
        return str(int(number))
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return f"{number:.15G}"


def fold(text: str) -> str:
    """Take the case away: every character in upper case, one for one, as .NET compares ordinally.

    So ß stays ß, and the dotless i and the long s stay as well: nothing becomes an ASCII letter.
    """
    folded = text.upper()
    if text.isascii() or (len(folded) == len(text) and not _ALMOST_ASCII & set(text)):
        return folded
    return "".join(map(_fold_character, text))


def _fold_character(character: str) -> str:
    # Greek letters with iota subscript have a capital of one character, which only title() gives.
    for capital in (character.upper(), character.title()):
        if len(capital) == 1 and capital.isascii() == character.isascii():
            return capital
    return character


def equal(left: object, right: object) -> bool:
    """`==`: like kinds compare by value, other primitives as numbers, a collection is only itself."""
    if isinstance(left, str) and isinstance(right, str):
        return len(left) == len(right) and fold(left) == fold(right)
    if is_primitive(left) and is_primitive(right):
        return to_number(left) == to_number(right)
    return left is right


def less(left: object, right: object) -> bool:
    """`<`: strings by their characters without case, other primitives as numbers, else false."""
    if isinstance(left, str) and isinstance(right, str):
        enough = 1 + min(len(left), len(right))
        return fold(left[:enough]) < fold(right[:enough])
    if is_primitive(left) and is_primitive(right):
        return to_number(left) < to_number(right)
    return False
