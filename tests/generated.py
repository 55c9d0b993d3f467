"""Documents made up from a CRD's own schema: what the API server lets through, however little sense it makes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import strategies as st

Json = dict[str, Any]
Strategy = st.SearchStrategy[Any]

_CRDS: Final = Path(__file__).parent.parent / "crds"
_MOST: Final = 2**53

ODD_TEXTS: Final = (
    *("", " ", "0", "-1", "1e400", "null", "true", "01", "1h", "*/5 * * * *", "99999999999999999999", "NaN"),
    *("${{", "${{ }}", "${{ inputs.x }}", "${{ needs.a.result }}", "${{ fromJSON('[') }}", "${{ ((((1)))) }}"),
    *(
        "\x00",
        "\x1b]52;c;aGk=\x07",
        "\r\n::error::x",
        "\u202eabc\u2066",
        "\u200b",
        "e\u0301" * 9,
        "\U0001f4a5",
        "\ufffe",
    ),
    *("$(id)", "`id`", "$(HOME)", "../..", "a/b", "a b", "A" * 64, "a" * 254, "x" * 5000, "İ", "\u017f", "ß" * 40),
)
"""Texts that a program may stumble over."""

NUMBERS: Final = st.sampled_from([0, 1, -1, 2, 5000, 2**31, -(2**31), _MOST, -_MOST]) | st.integers(-_MOST, _MOST)
TEXTS: Final = st.sampled_from(ODD_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ANYTHING: Final[Strategy] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=8,
)
_REAL: Final = ("2026-03-01T12:00:00Z", "2026-03-01T11:59:59.999Z", "1901-01-01T00:00:00Z", "8999-12-31T23:59:59Z")
_UNREAL: Final = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-01T12:00:00", "2026-03-01T12:00:00+14:00")
MOMENTS: Final = st.sampled_from([*_REAL * 8, *_UNREAL])


@cache
def schema_of(plural: str, part: str) -> Json:
    """Give the schema of `spec` or `status` of a kind, as the API server has it."""
    crd = yaml.safe_load((_CRDS / f"{plural}.yaml").read_text())
    found: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return found


def documents(schema: Json, keys: tuple[str, ...] = ()) -> Strategy:
    """Draw what fits a structural schema; keys of maps are often among `keys`."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            return _objects(schema, keys)
        case "object" if "additionalProperties" in schema:
            names = st.sampled_from(keys) | TEXTS if keys else TEXTS
            values = documents(schema["additionalProperties"], keys)
            return st.dictionaries(names, values, min_size=schema.get("minProperties", 0), max_size=3)
        case "array":
            return st.lists(documents(schema["items"], keys), max_size=3)
        case "string" if schema.get("format") == "date-time":
            return MOMENTS
        case "string":
            least, most = schema.get("minLength", 0), schema.get("maxLength", 10_000)
            return TEXTS.filter(lambda text: least <= len(text) <= most)
        case "integer":
            least, most = schema.get("minimum", -_MOST), schema.get("maximum", _MOST)
            return NUMBERS.filter(lambda number: least <= number <= most) | st.just(least)
        case "number":
            least, most = schema.get("minimum", -1e300), schema.get("maximum", 1e300)
            return st.floats(least, most)
        case "boolean":
            return st.booleans()
        case _:
            named = st.sampled_from(keys) | st.lists(st.sampled_from(keys), max_size=3) if keys else st.nothing()
            return ANYTHING | named


def _objects(schema: Json, keys: tuple[str, ...]) -> Strategy:
    fields = {name: documents(each, keys) for name, each in schema["properties"].items()}
    required = {name: fields.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=fields)
