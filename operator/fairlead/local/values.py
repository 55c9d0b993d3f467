"""What stands in for Secrets and ConfigMaps on this machine, and a container's variables with their values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairlead.engine.errors import RefusedError
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.render.env import Env

_EXPANDED = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")


@dataclass(frozen=True, slots=True)
class Values:
    """The values by key, or by `NAME/KEY` where two Secrets (or ConfigMaps) have the same key."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def fill(self, env: Env) -> dict[str, str]:
        """Give a container's variables as a kubelet would set them: a later one may name those before it.

        Raises RefusedError where a value is missing that isn't optional.
        """
        found: dict[str, str] = {}
        for variable in env:
            name: str = variable["name"]
            if "value" in variable:
                found[name] = _expand(variable["value"], found)
                continue
            value = self._look_up(variable["valueFrom"])
            if value is not None:
                found[name] = value
        return found

    def _look_up(self, source: Mapping[str, Any]) -> str | None:
        kind, known, option = "Secret", self.secrets, "--secret"
        reference = source.get("secretKeyRef")
        if reference is None:
            kind, known, option = "ConfigMap", self.variables, "--var"
            reference = source["configMapKeyRef"]
        name, key = reference["name"], reference["key"]
        value = known.get(f"{name}/{key}", known.get(key))
        if value is None and not reference.get("optional"):
            said = f"it needs {quote(key)} of the {kind} {quote(name)}, and there is none on this machine"
            raise RefusedError(f"{said}; give it with {option} {key}=… or {option} {name}/{key}=…", final=True)
        return value


def _expand(text: str, known: Mapping[str, str]) -> str:
    """Expand `$(NAME)` as Kubernetes does: `$$` is one $, and what isn't known stays as it is."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return "$" if name is None else known.get(name, found[0])

    return _EXPANDED.sub(value, text)
