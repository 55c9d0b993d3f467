"""A container's variables, as Kubernetes has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.plan.actions import Mixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fairlead.model.containers import EnvReference
    from fairlead.plan.actions import EnvValue

Env = list[dict[str, Any]]


def variables(env: Mapping[str, EnvValue], prefix: str, *, rename: str = "") -> Env:
    """Give a container's variables, their names with `rename` before them.

    The references in mixed values come first, in variables called PREFIX0_NAME, PREFIX1_NAME and so on.
    """
    carriers: Env = []
    found: Env = []
    for name, value in env.items():
        if isinstance(value, Mixed):
            carriers += _carriers(name, value, prefix)
            found.append({"name": rename + name, "value": _expansion(name, value, prefix)})
        elif isinstance(value, str):
            found.append({"name": rename + name, "value": literal(value)})
        else:
            found.append(_reference(rename + name, value))
    return carriers + found


def carriers_of(env: Mapping[str, EnvValue], prefix: str) -> list[str]:
    """Name the variables that `variables` adds for the references in mixed values."""
    return [each for name, value in env.items() if isinstance(value, Mixed) for _, each in _named(name, value, prefix)]


def secret(env: Iterable[Mapping[str, Any]]) -> list[str]:
    """Name the variables whose whole value is a Secret's."""
    return list(dict.fromkeys(each["name"] for each in env if "secretKeyRef" in each.get("valueFrom", {})))


def literal(text: str) -> str:
    """Keep Kubernetes from expanding `$(NAME)`: a doubled $ is one $."""
    return text.replace("$", "$$")


def _named(name: str, value: Mixed, prefix: str) -> Iterator[tuple[EnvReference, str]]:
    references = [part for part in value.parts if not isinstance(part, str)]
    return ((reference, f"{prefix}{index}_{name}") for index, reference in enumerate(references))


def _carriers(name: str, value: Mixed, prefix: str) -> Iterator[dict[str, Any]]:
    for reference, carrier in _named(name, value, prefix):
        key = reference.secret_key_ref or reference.config_map_key_ref
        if key is not None and key.optional:
            # Where the key is missing, this stays; without it, `$(NAME)` would stand in the value as it is.
            yield {"name": carrier, "value": ""}
        yield _reference(carrier, reference)


def _expansion(name: str, value: Mixed, prefix: str) -> str:
    carriers = (carrier for _, carrier in _named(name, value, prefix))
    return "".join(literal(part) if isinstance(part, str) else f"$({next(carriers)})" for part in value.parts)


def _reference(name: str, reference: EnvReference) -> dict[str, Any]:
    return {"name": name, "valueFrom": reference.model_dump(by_alias=True, exclude_defaults=True)}
