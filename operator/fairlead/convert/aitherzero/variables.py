"""The variables of a playbook (v1, v2): inputs of the workflow, where they are plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlead.convert.aitherzero import conditions
from fairlead.convert.aitherzero.conditions import Operand, Type
from fairlead.convert.aitherzero.literals import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fairlead.convert.part import Part

_INPUT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", re.ASCII)
_REFERENCE: Final = re.compile(r"\{\{\s*([^{}:]+?)\s*(?::=([^{}]*))?\}\}")
_WHOLE: Final = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_PREFIX: Final = "PLAYBOOK_"


@dataclass(slots=True)
class Variables:
    """All variables by their names without case.

    `inputs` are those that whoever runs the workflow can set: plain values, and those that only a profile sets, which
    are empty. The others are constants.
    """

    inputs: dict[str, str | int | float | bool] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def declare(self, parts: Iterable[Part]) -> None:
        """Take on the variables of a playbook."""
        for part in parts:
            name = str(part.path[-1])
            self._names.setdefault(name.casefold(), name)
            value = "" if part.value is None else part.value
            if isinstance(value, str | bool | int | float) and _INPUT.fullmatch(name):
                self.inputs[name] = value
            else:
                self.constants[name] = value

    def declare_empty(self, parts: Iterable[Part]) -> None:
        """Take on variables that only a profile sets."""
        for part in parts:
            name = str(part.path[-1])
            if name.casefold() not in self._names and _INPUT.fullmatch(name):
                self._names[name.casefold()] = name
                self.inputs[name] = False if isinstance(part.value, bool) else ""

    @property
    def names(self) -> tuple[str, ...]:
        """All names, as they are declared."""
        return tuple(self._names.values())

    def operand(self, name: str) -> Operand:
        """Give a variable as a part of a condition. Raises ConditionError for one that is set nowhere."""
        known = self._names.get(name.casefold())
        if known is None:
            raise conditions.ConditionError(f"the variable {name} is set nowhere in the playbook")
        if known in self.inputs:
            kind = Type.VALUE if not isinstance(self.inputs[known], str) or self.inputs[known] == "" else Type.TEXT
            return Operand(f"inputs.{known}", kind)
        return conditions.literal(self.constants[known])

    def source(self, name: str, env: dict[str, str]) -> str | None:
        """Give a variable as PowerShell source, and put what it comes in into `env`; None for one that is unknown."""
        known = self._names.get(name.casefold())
        if known is None:
            return None
        if known in self.constants:
            return literal(self.constants[known])
        carrier = f"{_PREFIX}{known.replace('-', '_')}"
        env[carrier] = f"${{{{ inputs.{known} }}}}"
        match self.inputs[known]:
            case bool():
                return f"($env:{carrier} -eq 'true')"
            case int():
                return f"[int]$env:{carrier}"
            case float():
                return f"[double]$env:{carrier}"
            case _:
                return f"$env:{carrier}"

    def filled_in(self, value: object, env: dict[str, str]) -> str:
        """Give a value as PowerShell source, with `{{NAME}}` in its texts filled in; a `{NAME}` alone counts, too."""
        match value:
            case str():
                return self._text(value, env)
            case list():
                return f"@({', '.join(self.filled_in(each, env) for each in value)})"
            case dict():
                entries = (f"{quoted(key)} = {self.filled_in(each, env)}" for key, each in value.items())
                return f"@{{ {'; '.join(entries)} }}"
            case _:
                return literal(value)

    def _text(self, value: str, env: dict[str, str]) -> str:
        whole = _WHOLE.fullmatch(value)
        if whole is not None and (found := self.source(whole[1], env)) is not None:
            return found
        parts: list[str] = []
        end = 0
        for match in _REFERENCE.finditer(value):
            if match.start() > end:
                parts.append(quoted(value[end : match.start()]))
            found = self.source(match[1], env)
            parts.append(quoted(match[2] or "") if found is None else found)
            end = match.end()
        if end < len(value) or not parts:
            parts.append(quoted(value[end:]))
        return parts[0] if len(parts) == 1 else f"(-join @({', '.join(parts)}))"
