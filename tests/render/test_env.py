from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.model.containers import EnvReference, KeyRef
from fairlead.plan.actions import Mixed
from fairlead.render.env import carriers_of, secret, variables

if TYPE_CHECKING:
    from fairlead.plan.actions import EnvValue

TOKEN = EnvReference(secret_key_ref=KeyRef(name="ci", key="token"))
MAYBE = EnvReference(secret_key_ref=KeyRef(name="ci", key="maybe", optional=True))
LEVEL = EnvReference(config_map_key_ref=KeyRef(name="settings", key="level"))

FROM_TOKEN = {"secretKeyRef": {"name": "ci", "key": "token"}}
FROM_MAYBE = {"secretKeyRef": {"name": "ci", "key": "maybe", "optional": True}}
FROM_LEVEL = {"configMapKeyRef": {"name": "settings", "key": "level"}}

MIXED: dict[str, EnvValue] = {"A": "a", "URL": Mixed(("http://", LEVEL, ":", TOKEN, "@$(HOME)")), "B": TOKEN}


def test_literal() -> None:
    """Values are literal: Kubernetes expands nothing in them. References stay references."""
    assert variables({"PRICE": "$(HOME) $$5", "PLAIN": "a b\nc", "TOKEN": TOKEN, "LEVEL": LEVEL}, "X_") == [
        {"name": "PRICE", "value": "$$(HOME) $$$$5"},
        {"name": "PLAIN", "value": "a b\nc"},
        {"name": "TOKEN", "valueFrom": FROM_TOKEN},
        {"name": "LEVEL", "valueFrom": FROM_LEVEL},
    ]


def test_mixed() -> None:
    """The references in a value come first, in variables of their own, and only they are expanded in it."""
    assert variables(MIXED, "X_") == [
        {"name": "X_0_URL", "valueFrom": FROM_LEVEL},
        {"name": "X_1_URL", "valueFrom": FROM_TOKEN},
        {"name": "A", "value": "a"},
        {"name": "URL", "value": "http://$(X_0_URL):$(X_1_URL)@$$(HOME)"},
        {"name": "B", "valueFrom": FROM_TOKEN},
    ]


def test_optional() -> None:
    """A reference whose key may be missing has an empty text before it, since nothing missing is expanded."""
    assert variables({"A": Mixed((MAYBE, "!"))}, "X_") == [
        {"name": "X_0_A", "value": ""},
        {"name": "X_0_A", "valueFrom": FROM_MAYBE},
        {"name": "A", "value": "$(X_0_A)!"},
    ]


def test_renamed() -> None:
    """Variables can be handed over under names of ours; those of parts and of wholes are never the same."""
    env: dict[str, EnvValue] = {"A": TOKEN, "M": Mixed(("a", TOKEN)), "M_0": Mixed(("b", TOKEN))}
    names = [each["name"] for each in variables(env, "X_", rename="X_")]
    assert (names, carriers_of(env, "X_")) == (["X_0_M", "X_0_M_0", "X_A", "X_M", "X_M_0"], ["X_0_M", "X_0_M_0"])


def test_secret() -> None:
    """What is to be masked is what comes from Secrets, not what comes from ConfigMaps, nor what was mixed of it."""
    found = variables({**MIXED, "C": Mixed((MAYBE,))}, "X_")
    assert secret(found) == ["X_1_URL", "X_0_C", "B"]
