"""Secrets in the text of a script: a variable takes their place, since a value is never put into a script here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from fairlead.expressions import Expression, ExpressionError, parse_template, references
from fairlead.model.by_reference import names_reference
from fairlead.model.status_functions import STEP_FUNCTIONS
from fairlead.syntax.scopes import is_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHELLS: Final = ("bash", "sh")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OURS: Final = ("FAIRLEAD_", "_F_")
_HERE_DOCUMENT: Final = re.compile(r"(?<!<)<<(?!<)")


class _In(Enum):
    PLAIN = auto()
    DOUBLE = auto()
    SINGLE = auto()
    COMMENT = auto()


@dataclass(frozen=True, slots=True)
class Lifted:
    """A script without secrets in it, the variables that it needs instead, and what couldn't be done."""

    script: str
    env: Mapping[str, str]
    names: tuple[str, ...] = ()
    refusal: str | None = None


def lift_secrets(script: str, shell: str | None, env: Mapping[str, object]) -> Lifted:
    """Put variables in place of each `${{ secrets.NAME }}` and `${{ vars.NAME }}`; `env` has those that there are.

    How a shell finds the variable depends on the quotes around it, so these are followed through the script.
    """
    try:
        template = parse_template(script, functions=STEP_FUNCTIONS)
    except ExpressionError:
        return Lifted(script, {})
    if not names_reference(template):
        return Lifted(script, {})
    if shell is not None and shell.split(maxsplit=1)[:1] not in ([name] for name in _SHELLS):
        return _refused(script, "it can't be put into a script of this shell; give it to the step in env and read that")
    quotes, found = _Quotes(), ""
    added: dict[str, str] = {}
    names: list[str] = []
    for part in template.parts:
        if not isinstance(part, Expression):
            quotes.read(part.text)
            found += part.text
            continue
        source = script[part.position : part.end]
        if not names_reference(part.node):
            # What it gives isn't known, but quotes in it would be a mistake there, too.
            found += source
            continue
        if not is_reference(part.node):
            return _refused(script, "nothing can be computed from a secret or a variable of the repository")
        if quotes.lost:
            return _refused(script, "it stands in a here-document; give it to the step in env and use $NAME there")
        path = ".".join(references(part.node)[0].path)
        value = f"${{{{ {path} }}}}"
        name = _name(path.partition(".")[2], value, {**env, **added})
        added[name] = value
        names.append(path)
        found += quotes.variable(name)
    return Lifted(found, added, tuple(dict.fromkeys(names)))


def _refused(script: str, reason: str) -> Lifted:
    return Lifted(script, {}, refusal=reason)


def _name(wanted: str, value: str, env: Mapping[str, object]) -> str:
    name = wanted if _VARIABLE.fullmatch(wanted) else re.sub(r"\W", "_", f"SECRET_{wanted}", flags=re.ASCII)
    if name.upper().startswith(_OURS):
        name = f"SECRET{name}"
    while env.get(name, value) != value:
        name = f"SECRET_{name}"
    return name


@dataclass(slots=True)
class _Quotes:
    """Where in a script one stands: in which quotes, through `$(…)` and parentheses."""

    inside: list[_In] = field(default_factory=lambda: [_In.PLAIN])
    lost: bool = False

    def read(self, text: str) -> None:
        """Go on through a piece of the script."""
        self.lost = self.lost or bool(_HERE_DOCUMENT.search(text)) or "`" in text
        at = 0
        while at < len(text):
            at += self._step(text, at)

    def _step(self, text: str, at: int) -> int:
        """Take one character, or two that belong together; give how many."""
        here, character = self.inside[-1], text[at]
        if here is _In.SINGLE:
            if character == "'":
                self.inside.pop()
        elif here is _In.COMMENT:
            if character == "\n":
                self.inside.pop()
        elif character == "\\":
            return 2
        elif text.startswith("$(", at):
            self.inside.append(_In.PLAIN)
            return 2
        elif character == '"':
            if here is _In.DOUBLE:
                self.inside.pop()
            else:
                self.inside.append(_In.DOUBLE)
        elif here is _In.PLAIN:
            self._plain(text, at)
        return 1

    def _plain(self, text: str, at: int) -> None:
        character = text[at]
        if character == "'":
            self.inside.append(_In.SINGLE)
        elif character == "(":
            self.inside.append(_In.PLAIN)
        elif character == ")" and len(self.inside) > 1:
            self.inside.pop()
        elif character == "#" and (at == 0 or text[at - 1].isspace()):
            self.inside.append(_In.COMMENT)

    def variable(self, name: str) -> str:
        """Write a variable so that the shell puts its value there."""
        return f"'\"${{{name}}}\"'" if self.inside[-1] is _In.SINGLE else f"${{{name}}}"
