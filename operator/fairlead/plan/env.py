"""Variables with their expressions filled in: texts, and references whose values stay in the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.expressions import Evaluator, Text, count, interpolate, parse_template, references, to_text
from fairlead.model.by_reference import holds_reference, names_reference
from fairlead.model.containers import EnvReference, KeyRef
from fairlead.plan.actions import Mixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.expressions import Functions, Node, Template
    from fairlead.plan.actions import EnvValue


@dataclass(frozen=True, slots=True)
class Sources:
    """The Secret and the ConfigMap that `secrets.NAME` and `vars.NAME` stand for."""

    secret: str
    config_map: str


def fill_env(
    env: Mapping[str, str | EnvReference], contexts: Mapping[str, object], functions: Functions, sources: Sources
) -> dict[str, EnvValue]:
    """Fill in variables. Raises ExpressionError."""
    return {name: fill_variable(value, contexts, functions, sources) for name, value in env.items()}


def readable(env: Mapping[str, EnvValue]) -> dict[str, str]:
    """Give the variables that the context `env` has: those that no secret is in."""
    return {name: value for name, value in env.items() if isinstance(value, str)}


def fill_variable(
    value: str | EnvReference, contexts: Mapping[str, object], functions: Functions, sources: Sources
) -> EnvValue:
    """Fill in one variable. Raises ExpressionError."""
    if not isinstance(value, str) or "${{" not in value:
        return value
    if not holds_reference(value):
        return interpolate(value, contexts, functions)
    template = parse_template(value, functions=functions)
    return _mixed(template, contexts, functions, sources)


def _mixed(template: Template, contexts: Mapping[str, object], functions: Functions, sources: Sources) -> EnvValue:
    parts: list[str | EnvReference] = []
    evaluator = Evaluator(contexts, functions, template.source)
    for part in template.parts:
        if isinstance(part, Text):
            parts.append(part.text)
        elif names_reference(part.node):
            parts.append(_reference(part.node, sources))
        else:
            text = to_text(evaluator.result(part.node))
            count(text)
            parts.append(text)
    parts = [part for part in parts if part != ""]
    return parts[0] if len(parts) == 1 else Mixed(tuple(parts))


def _reference(node: Node, sources: Sources) -> EnvReference:
    """Turn `secrets.NAME` or `vars.NAME`, which `syntax` has seen to stand alone, into what Kubernetes has."""
    context, name = references(node)[0].path[:2]
    if context.casefold() == "secrets":
        return EnvReference(secret_key_ref=KeyRef(name=sources.secret, key=name))
    return EnvReference(config_map_key_ref=KeyRef(name=sources.config_map, key=name))
