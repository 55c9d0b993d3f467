"""The vectors of tests/conformance/expressions, from actions/languageservices (MIT)."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlead.expressions import ExpressionError, evaluate, kind_of

VECTORS = Path(__file__).parents[1] / "conformance" / "expressions"


def _cases() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(VECTORS.glob("*.json")):
        for group, cases in json.loads(path.read_text(encoding="utf-8")).items():
            for index, case in enumerate(cases):
                yield f"{path.stem}/{group}/{index}", case


CASES = dict(_cases())


def test_the_data_is_complete() -> None:
    """A lost file or group must not look like success."""
    assert len(CASES) == 522


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_conforms(case: dict[str, Any]) -> None:
    """The value, or the kind of the error and a part of its message, is the one that GitHub gives."""
    contexts = case.get("contexts", {})
    if "err" in case:
        with pytest.raises(ExpressionError) as caught:
            evaluate(case["expr"], contexts)
        expected = case["err"]
        assert (caught.value.kind, expected["value"] in caught.value.message) == (expected["kind"], True), (
            caught.value.message
        )
        return
    result = evaluate(case["expr"], contexts)
    assert (kind_of(result), _comparable(result)) == (
        case["result"]["kind"],
        _comparable(case["result"]["value"]),
    )


def _comparable(value: object) -> object:
    """Objects with the order of their keys, and NaN, which vectors cannot hold otherwise, as text."""
    match value:
        case dict():
            return [(key, _comparable(item)) for key, item in value.items()]
        case list():
            return [_comparable(item) for item in value]
        case float() if math.isnan(value):
            return "NaN"
        case _:
            return value
