"""`on`: kept as an annotation for whoever starts runs, but for what a Workflow says itself: times and inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fairlead.model.problem import quote
from fairlead.model.spec import InputType

if TYPE_CHECKING:
    from fairlead.convert.part import Part

ANNOTATIONS: Final = "convert.fairlead.dev/"
_BY_HAND: Final = "workflow_dispatch"
_CALLED: Final = "workflow_call"
_TIMES: Final = "schedule"
_TYPES: Final = {"string": "string", "number": "number", "boolean": "boolean", "choice": "choice"}
_NOTHING: Final[dict[InputType, str | int | bool]] = {
    InputType.STRING: "",
    InputType.NUMBER: 0,
    InputType.BOOLEAN: False,
}


@dataclass(slots=True)
class Triggers:
    """What `on` says. `declared` are the inputs as a template has them, `outputs` what a caller gets."""

    value: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: Part | None = None
    schedules: list[dict[str, str]] = field(default_factory=list)

    @property
    def called(self) -> bool:
        """Whether other workflows may call it."""
        return _CALLED in self.value

    @property
    def only_called(self) -> bool:
        """Whether nothing else starts it."""
        return set(self.value) == {_CALLED}

    @property
    def event(self) -> str:
        """The trigger that a run stands for, where the workflow asks."""
        others = [name for name in self.value if name != _CALLED]
        return "push" if "push" in others else next(iter(others), _BY_HAND)

    @property
    def kinds(self) -> dict[str, InputType]:
        """The type of each input."""
        return {name: InputType(each.get("type", "string")) for name, each in self.declared.items()}

    def values(self) -> dict[str, str | int | float | bool]:
        """Give the inputs' values where nobody says any."""
        return {name: _value(each) for name, each in self.declared.items()}

    def annotation(self) -> str:
        """Give `on` as JSON."""
        return json.dumps(self.value, ensure_ascii=False, separators=(",", ":"))


def _value(declared: dict[str, Any]) -> str | int | float | bool:
    if "default" in declared:
        found = declared["default"]
        assert isinstance(found, str | int | float | bool)  # noqa: S101  as _declared has seen
        return found
    kind = InputType(declared.get("type", "string"))
    if kind is InputType.CHOICE:
        return str(next(iter(declared["options"]), ""))
    return _NOTHING[kind]


def triggers(part: Part | None, whole: Part) -> Triggers:
    """Read `on`."""
    if part is None:
        whole.notes.approximated((), '"on" is missing: it runs when it is applied, as any Workflow')
        return Triggers()
    found = Triggers(_as_map(part))
    members = part.members() if isinstance(part.value, dict) else {}
    for name in (_BY_HAND, _CALLED):
        given = members.get(name)
        inputs = given.get("inputs") if given else None
        for key, each in inputs.members().items() if inputs else ():
            declared = _declared(each)
            if declared is not None:
                found.declared[key] = declared
    if members.get(_CALLED):
        found.outputs = members[_CALLED].get("outputs")
    _schedules(found, members.get(_TIMES), part)
    others = [name for name in found.value if name not in (_BY_HAND, _CALLED, _TIMES)]
    if others:
        shown = ", ".join(others[:10])
        said = (
            f"nothing here starts runs by {shown}: applying it does. The annotation {ANNOTATIONS}on keeps what was said"
        )
        part.notes.left_out(part.path, said)
    return found


def _as_map(part: Part) -> dict[str, Any]:
    match part.value:
        case str() as name:
            return {name: {}}
        case list():
            return {name: {} for name in part.texts()}
        case dict() as events:
            return {name: {} if each is None else each for name, each in events.items()}
        case _:
            part.refuse('"on" is a name, a list or a map of events')
            return {}


def _schedules(found: Triggers, part: Part | None, on: Part) -> None:
    if part is None:
        return
    times = [cron for each in part.elements() if (cron := _time(each))]
    if set(found.value) <= {_TIMES, _BY_HAND}:
        found.schedules = times
        on.notes.mapped(part.path, "schedules: it runs at these times, and not when it is applied")
    else:
        said = "a Workflow with schedules runs only then; make a second one, with schedules, for these times"
        on.notes.left_out(part.path, said)


def _time(part: Part) -> dict[str, str] | None:
    cron, zone = part.get("cron"), part.get("timezone")
    text = None if cron is None else cron.text()
    if text is None:
        part.refuse('"cron" is missing')
        return None
    return {"cron": text, **({"timezone": zone.text() or "UTC"} if zone else {})}


def _declared(part: Part) -> dict[str, Any] | None:
    if part.value is None:
        return {"type": "string"}
    part.only(("type", "required", "default", "options", "description", "deprecationMessage"))
    kind, needed, default = part.get("type"), part.get("required"), part.get("default")
    found: dict[str, Any] = {"type": "string"}
    if kind is not None:
        text = kind.text() or "string"
        if text == "environment":
            part.notes.approximated(kind.path, "environment: a text, as there are no environments here")
        elif text in _TYPES:
            found["type"] = text
        else:
            kind.refuse(f"{quote(text)} is no type of input")
    if default is not None:
        found["default"] = _default(default, found["type"])
    if needed is not None and needed.value is True and default is None:
        found["required"] = True
    _describe(part, found)
    return found


def _describe(part: Part, found: dict[str, Any]) -> None:
    options, description = part.get("options"), part.get("description")
    if found["type"] == "choice":
        found["options"] = options.texts() if options else []
    if description is not None:
        found["description"] = description.text() or ""


def _default(part: Part, kind: str) -> str | int | float | bool:
    if isinstance(part.value, str) and "${{" in part.value:
        part.refuse("a default can't be computed here; write a value")
        return ""
    text = part.text() or ""
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "number" and isinstance(part.value, int | float):
        return part.value
    return text
