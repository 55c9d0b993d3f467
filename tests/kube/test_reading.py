from __future__ import annotations

from typing import Any

from fairlead.kube.reading import Reading


def document(name: str, value: object) -> dict[str, Any]:
    """Give an object that has a value, which can be read where it is a number."""
    return {"metadata": {"namespace": "team", "name": name}, "value": value}


def test_what_cannot_be_read_is_told_of_once() -> None:
    """It gives None for as long as it is so, and is told of again only once it was readable in between."""
    told: list[str] = []
    reading = Reading(lambda each: int(each["value"]), lambda name, error: told.append(f"{name}: {error}"))
    values = ["x", "x", 1, 2, "x", {}]
    found = [reading(document("a", value)) for value in values]
    assert (found, told) == (
        [None, None, 1, 2, None, None],
        ["team/a: invalid literal for int() with base 10: 'x'"] * 2,
    )


def test_others_are_read() -> None:
    """One that can't be read hides none of the others, and each is told of by itself."""
    told: list[str] = []
    reading = Reading(lambda each: 1 // each["value"], lambda name, error: told.append(f"{name}: {error}"))
    found = [reading(document(name, value)) for name, value in (("a", 0), ("b", 1), ("c", 0))]
    zero = "integer division or modulo by zero"
    assert (found, told) == ([None, 1, None], [f"team/a: {zero}", f"team/c: {zero}"])


def test_what_is_no_object() -> None:
    """Even what has no name does no harm."""
    told: list[str] = []
    reading = Reading(lambda each: each["metadata"]["name"], lambda name, error: told.append(f"{name}: {error!r}"))
    assert (reading({}), told) == (None, ["None/None: KeyError('metadata')"])
