from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import RefusedError
from fairlead.local.values import Values

if TYPE_CHECKING:
    from fairlead.render.env import Env

VALUES = Values(
    secrets={"TOKEN": "t0k$(A)en$$", "db/PASSWORD": "of db", "PASSWORD": "of all", "EMPTY": ""},
    variables={"REGION": "eu", "TOKEN": "a variable", "other/REGION": "us"},
)


def secret(key: str, name: str = "fairlead-secrets", **fields: object) -> dict[str, Any]:
    """Give a reference to a Secret."""
    return {"secretKeyRef": {"name": name, "key": key, **fields}}


def config(key: str, name: str = "fairlead-vars", **fields: object) -> dict[str, Any]:
    """Give a reference to a ConfigMap."""
    return {"configMapKeyRef": {"name": name, "key": key, **fields}}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ({"value": "plain"}, "plain"),
        ({"value": ""}, ""),
        ({"value": "a $$(A) costs $$5, $$$$"}, "a $(A) costs $5, $$"),
        ({"value": "$(A)-$(B)-$(NO)-$A-$"}, "1-2 and $(A)-$(NO)-$A-$"),
        ({"value": "$(later)$(X)"}, "$(later)$(X)"),
        ({"valueFrom": secret("TOKEN")}, "t0k$(A)en$$"),
        ({"valueFrom": config("TOKEN")}, "a variable"),
        ({"valueFrom": secret("PASSWORD", "db")}, "of db"),
        ({"valueFrom": secret("PASSWORD")}, "of all"),
        ({"valueFrom": config("REGION", "other")}, "us"),
        ({"valueFrom": config("REGION")}, "eu"),
        ({"valueFrom": secret("EMPTY")}, ""),
        ({"valueFrom": secret("NONE", optional=True)}, None),
        ({"valueFrom": config("NONE", optional=True)}, None),
    ],
)
def test_fill(variable: dict[str, Any], expected: str | None) -> None:
    """Each variable has its value as a kubelet would give it; the value of a reference is never looked into."""
    before = [{"name": "A", "value": "1"}, {"name": "B", "value": "2 and $$(A)"}]
    after = [{"name": "later", "value": "3"}]
    found = VALUES.fill([*before, {"name": "X", **variable}, *after])
    others = {"A": "1", "B": "2 and $(A)", "later": "3"}
    assert found == (others if expected is None else {**others, "X": expected})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            secret("NO", "team"),
            (
                'it needs "NO" of the Secret "team", and there is none on this machine;'
                " give it with --secret NO=… or --secret team/NO=…"
            ),
        ),
        (
            config("NO", optional=False),
            (
                'it needs "NO" of the ConfigMap "fairlead-vars", and there is none on this machine;'
                " give it with --var NO=… or --var fairlead-vars/NO=…"
            ),
        ),
    ],
)
def test_missing(source: dict[str, Any], said: str) -> None:
    """What is missing is named, with how to give it; trying again wouldn't help."""
    with pytest.raises(RefusedError) as caught:
        VALUES.fill([{"name": "X", "valueFrom": source}])
    assert (caught.value.message, caught.value.final) == (said, True)


def test_mixed() -> None:
    """Text around a reference is a variable that is made of another one."""
    env: Env = [{"name": "_0", "valueFrom": secret("TOKEN")}, {"name": "HEADER", "value": "Bearer $(_0)!"}]
    assert VALUES.fill(env)["HEADER"] == "Bearer t0k$(A)en$$!"


def test_optional_mixed() -> None:
    """Of a mixed value whose optional reference is missing, the text stays."""
    env: Env = [
        {"name": "_0", "value": ""},
        {"name": "_0", "valueFrom": secret("NONE", optional=True)},
        {"name": "HEADER", "value": "Bearer $(_0)!"},
    ]
    assert VALUES.fill(env)["HEADER"] == "Bearer !"
