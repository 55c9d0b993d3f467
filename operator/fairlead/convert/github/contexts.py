"""GitHub's contexts: what is here under another name, what is read from annotations, and what there isn't."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fairlead.convert.conversion import Outcome
from fairlead.convert.rewriting import NULL, access, literal, rewrite_condition, rewrite_text, text
from fairlead.expressions import Call
from fairlead.model.problem import quote
from fairlead.model.spec import InputType

if TYPE_CHECKING:
    from collections.abc import Collection

    from fairlead.convert.github.draft import Draft
    from fairlead.expressions import Node
    from fairlead.model.problem import Path

_ANNOTATED: Final = ("ref", "ref_name", "sha", "repository", "actor", "event_name", "head_ref", "base_ref")
_KNOWN: Final = ("workflow", "run_id", "run_number", "run_attempt", "job", "workspace", *_ANNOTATED)
_ADDRESSES: Final = {
    "server_url": "https://github.com",
    "api_url": "https://api.github.com",
    "graphql_url": "https://api.github.com/graphql",
}
_RUNNER: Final = {"arch": "X64", "environment": "self-hosted", "debug": "", "tool_cache": "/opt/hostedtoolcache"}
_ONE_COMBINATION: Final = {"fail-fast": True, "job-index": 0, "job-total": 1, "max-parallel": 1}
_EVENT_INPUT: Final = 4
_VARIABLE: Final = re.compile(r"\$\{?(?:env:)?((?:GITHUB|RUNNER)_[A-Z_]+)\b")
_TEMPORARY: Final = "/tmp"  # noqa: S108  runner.temp


@dataclass(frozen=True, slots=True)
class Contexts:
    """The expressions of one file. `matrix` has the keys that a job's combinations have; None where it has none.

    An empty collection of keys stands for a matrix that is computed.
    """

    draft: Draft
    matrix: Collection[str] | None = None

    def text(self, source: str, path: Path) -> str:
        """Rewrite the `${{ }}` in a text."""
        return rewrite_text(source, lambda steps: self._change(steps, path))

    def condition(self, source: str, path: Path) -> str:
        """Rewrite a condition."""
        return rewrite_condition(source, lambda steps: self._change(steps, path))

    def value(self, source: object, path: Path) -> object:
        """Rewrite all texts in a value as JSON has it."""
        match source:
            case str():
                return self.text(source, path)
            case dict():
                return {key: self.value(each, (*path, key)) for key, each in source.items()}
            case list():
                return [self.value(each, (*path, index)) for index, each in enumerate(source)]
            case _:
                return source

    def script(self, source: str, path: Path) -> str:
        """Rewrite a script, and see to it that the variables are there that GitHub sets."""
        for name in dict.fromkeys(_VARIABLE.findall(source)):
            self._variable(name, path)
        return self.text(source, path)

    def _variable(self, name: str, path: Path) -> None:
        prefix, _, rest = name.partition("_")
        key = rest.lower()
        if prefix == "RUNNER":
            found = {"OS": "Linux", "TEMP": _TEMPORARY, "ARCH": "X64"}.get(rest)
        elif key == "token":
            return
        elif key in _ADDRESSES:
            found = _ADDRESSES[key]
        elif key in _KNOWN and key != "workspace":
            self._annotated(key, path)
            found = f"${{{{ github.{key} }}}}"
        else:
            found = None
        if name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY"):
            return
        if found is None:
            self.draft.once(Outcome.APPROXIMATED, path, f"${name} isn't set here, where no GitHub is")
        else:
            self.draft.needed_env[name] = found

    def _change(self, path: tuple[str, ...], at: Path) -> Node | None:
        match path:
            case ("github", first, *rest):
                return self._github(first.lower(), rest, path, at)
            case ("runner", key, *_) if key.lower() in _RUNNER:
                said = f"runner.{key} is {_RUNNER[key.lower()]!r} here"
                self.draft.once(Outcome.APPROXIMATED, at, said)
                return text(_RUNNER[key.lower()])
            case ("strategy", key, *_) if self.matrix is None and key.lower() in _ONE_COMBINATION:
                return literal(_ONE_COMBINATION[key.lower()])
            case ("inputs", key, *_) if key.casefold() not in {each.casefold() for each in self.draft.inputs}:
                said = f"inputs.{key} is null: no trigger has this input"
                self.draft.once(Outcome.APPROXIMATED, at, said)
                return NULL
            case ("matrix", key, *_) if self.matrix is None or (
                self.matrix and key.casefold() not in {each.casefold() for each in self.matrix}
            ):
                self.draft.once(Outcome.MAPPED, at, f"matrix.{key} is null: no combination has it")
                return NULL
            case _:
                return None

    def _github(self, first: str, rest: list[str], path: tuple[str, ...], at: Path) -> Node | None:
        if first == "token" and not rest:
            said = "nobody gives a job GitHub's token here: put one into the Secret fairlead-secrets, as GITHUB_TOKEN"
            self.draft.once(Outcome.APPROXIMATED, at, said)
            return access("secrets", "GITHUB_TOKEN")
        if first == "event" and [each.lower() for each in rest[:1]] == ["inputs"] and len(path) == _EVENT_INPUT:
            return self._event_input(rest[1])
        if first in _ADDRESSES:
            return text(_ADDRESSES[first])
        if first in _KNOWN:
            self._annotated(first, at)
            return None
        said = f"github.{'.'.join([first, *rest])} is null here: there is no event of GitHub's"
        self.draft.once(Outcome.APPROXIMATED, at, said)
        return None

    def _annotated(self, name: str, at: Path) -> None:
        if name == "event_name":
            self.draft.names_event = True
            said = f"github.event_name is what the annotation fairlead.dev/event-name says: {quote(self.draft.event)}"
            self.draft.once(Outcome.APPROXIMATED, at, said)
        elif name in _ANNOTATED:
            annotation = f"fairlead.dev/{name.replace('_', '-')}"
            said = f"github.{name} is read from the annotation {annotation}, and is empty where nobody sets it"
            self.draft.once(Outcome.MAPPED, at, said)

    def _event_input(self, name: str) -> Node | None:
        declared = {each.casefold(): (each, kind) for each, kind in self.draft.inputs.items()}.get(name.casefold())
        if declared is None:
            return None
        found = access("inputs", declared[0])
        # GitHub's event has texts, so a comparison with 'true' has to go on working.
        as_text = declared[1] in (InputType.BOOLEAN, InputType.NUMBER)
        return Call("format", (text("{0}"), found)) if as_text else found
