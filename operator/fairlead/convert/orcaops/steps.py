"""One job of OrcaOps → a job."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlead.convert.orcaops.matrix import convert_matrix
from fairlead.convert.orcaops.needs import After
from fairlead.convert.orcaops.services import convert_services
from fairlead.convert.rewriting import access
from fairlead.expressions import ExpressionError, unparse
from fairlead.model.problem import closest, one_line, quote

if TYPE_CHECKING:
    from fairlead.convert.orcaops.conditions import Rewriter
    from fairlead.convert.orcaops.needs import Needs
    from fairlead.convert.origins import Origins
    from fairlead.convert.part import Part
    from fairlead.model.problem import Path

KNOWN: Final = (
    "name",
    "image",
    "commands",
    "requires",
    "after",
    "parallel_with",
    "if",
    "unless",
    "services",
    "artifacts",
    "timeout",
    "on_complete",
    "env",
    "matrix",
    "exclude",
    "include",
)
_ON_COMPLETE: Final = ("success", "failure", "always")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(slots=True)
class JobDraft:
    """The conversion of one job."""

    name: str
    part: Part
    needs: Needs
    rewriter: Rewriter
    origins: Origins
    found: dict[str, object] = field(default_factory=dict)

    def job(self) -> dict[str, object]:
        """Give the job."""
        self._unknown()
        name = self.part.get("name")
        if name is not None and name.value != self.name:
            self.found["name"] = name.value
        self._work()
        conditions = self._conditions()
        self._order(conditions)
        artifacts = self.part.get("artifacts")
        if artifacts is not None:
            said = "artifacts: files aren't kept after a job; copy what is needed somewhere in a last command"
            artifacts.notes.left_out(artifacts.path, said)
        return {key: self.found[key] for key in sorted(self.found, key=_place)}

    def _unknown(self) -> None:
        for key, each in self.part.members().items():
            if key in KNOWN:
                continue
            meant = closest(key, KNOWN)
            if meant is not None:
                each.refuse(f"a job has no {quote(key)}; did you mean {quote(meant)}?")
            else:
                each.notes.left_out(each.path, f"a job has no {quote(key)}: OrcaOps passes over it, too")
        for key in ("include", "exclude"):
            each_filter = self.part.get(key)
            if each_filter is not None and self.part.get("matrix") is None:
                each_filter.notes.left_out(each_filter.path, "there is no matrix that it belongs to")

    def _work(self) -> None:
        at: Path = ("spec", "jobs", self.name)
        image, commands, timeout = (self.part.get(key) for key in ("image", "commands", "timeout"))
        if image is not None:
            self.found["image"] = self._text(image.value, early=True)
        if commands is not None:
            written = commands.value if isinstance(commands.value, list) else [commands.value]
            self.found["commands"] = [self._text(each) for each in written]
        if timeout is not None:
            self.found["timeout"] = timeout.value
        env = self.part.get("env")
        values = env.value if env is not None else {}
        values = {key: self._text(value) for key, value in values.items()} if isinstance(values, dict) else values
        if self.part.get("matrix") is not None:
            matrix = convert_matrix(self.part, (*at, "strategy", "matrix"), self.origins)
            self.found["strategy"] = {"failFast": False, "matrix": matrix}
            values = {**values, **_matrix_env(matrix)} if isinstance(values, dict) else values
        if values:
            self.found["env"] = values
        services = self.part.get("services")
        if services is not None:
            self.found["services"] = convert_services(services, (*at, "services"), self.origins, self.rewriter)

    def _text(self, value: object, *, early: bool = False) -> object:
        return self.rewriter.text(value, early=early) if isinstance(value, str) else value

    def _conditions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for key in ("if", "unless"):
            part = self.part.get(key)
            if part is None:
                continue
            if isinstance(part.value, bool):
                found[key] = "true" if part.value else "false"
                continue
            text = part.text()
            if text is None:
                continue
            try:
                found[key] = self.rewriter.condition(text)
            except (ExpressionError, ValueError) as error:
                part.refuse(f"this condition can't be kept: {one_line(str(error))}")
            if "github." in text:
                said = "what github knows comes from annotations here, such as fairlead.dev/ref"
                part.notes.approximated(part.path, said)
            for sentence in self.rewriter.asked.approximated:
                part.notes.approximated(part.path, sentence)
        return found

    def _order(self, conditions: dict[str, str]) -> None:
        """Write needs and conditions; a condition that asks for other results than success says all of them itself."""
        asked = self.rewriter.asked
        added = [job for job in (*asked.results, *asked.outputs) if job not in self.needs.jobs]
        for job in dict.fromkeys(added):
            said = f"it asks for the job {quote(job)}, which it doesn't require; it waits for that one, too"
            self.part.notes.approximated(self.part.path, said)
        needs = [*self.needs.jobs, *dict.fromkeys(added)]
        if needs:
            self.found["needs"] = needs
        at: Path = ("spec", "jobs", self.name, "needs")
        self.origins.put(at, (*self.part.path, "requires"))
        for index, need in enumerate(self.needs.needs):
            self.origins.put((*at, index), need.path)
        other = {job for job in (*asked.other, *added) if job not in asked.outputs or job in asked.other}
        other |= {need.job for need in self.needs.needs if need.after is not After.SUCCESS}
        complete = self._on_complete()
        self.origins.put((*at[:-1], "onComplete"), (*self.part.path, "on_complete"))
        if not other or complete in ("failure", "always"):
            self.found |= conditions
            self.found |= {"onComplete": complete} if complete else {}
            return
        self.found["if"] = " && ".join(self._whole(conditions, other))
        self.part.notes.mapped(
            self.part.path,
            "it asks for results other than success, so its condition says of each job that it requires how it ends",
        )

    def _whole(self, conditions: dict[str, str], other: set[str]) -> list[str]:
        parts = ["!cancelled()"]
        for need in self.needs.needs:
            result = unparse(access("needs", need.job, "result"))
            if need.after is After.FAILURE:
                parts.append(f"{result} == 'failure'")
            elif need.after is After.SUCCESS and need.job not in other:
                parts.append(f"{result} == 'success'")
        if "if" in conditions:
            parts.append(f"({conditions['if']})")
        if "unless" in conditions:
            parts.append(f"!({conditions['unless']})")
        return parts

    def _on_complete(self) -> str | None:
        part = self.part.get("on_complete")
        if part is None:
            return None
        if part.value not in _ON_COMPLETE:
            part.refuse(f"{quote(str(part.value))} is not among {', '.join(_ON_COMPLETE)}")
            return None
        if part.value != "success" and not self.needs.needs:
            said = "it requires nothing, so it starts at once, as in OrcaOps; name in requires what it comes after"
            part.notes.mapped(part.path, said)
        return str(part.value)


def _matrix_env(matrix: object) -> dict[str, str]:
    """Give the variables in which OrcaOps hands a combination's values to its job."""
    if not isinstance(matrix, dict):
        return {}
    included = matrix.get("include")
    entries = included if isinstance(included, list) else []
    keys = [key for key in matrix if key not in ("include", "exclude")]
    keys += [key for entry in entries if isinstance(entry, dict) for key in entry]
    return {
        f"MATRIX_{key.upper()}": f"${{{{ {unparse(access('matrix', key))} }}}}"
        for key in dict.fromkeys(keys)
        if _VARIABLE.fullmatch(key)
    }


_ORDER: Final = ("name", "needs", "if", "unless", "onComplete", "strategy", "image", "env", "services", "timeout")


def _place(key: str) -> int:
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)
