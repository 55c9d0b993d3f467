"""Fields that jobs, steps and workflows have alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.convert.conversion import Outcome
from fairlead.model.problem import quote

if TYPE_CHECKING:
    from fairlead.convert.github.contexts import Contexts
    from fairlead.convert.part import Part

_MINUTE = 60


def variables(part: Part | None, contexts: Contexts) -> dict[str, object]:
    """Convert `env`."""
    if part is None:
        return {}
    found: dict[str, object] = {}
    for name, each in part.members().items():
        if each.value is None:
            found[name] = ""
            continue
        value = each.text()
        if value is not None:
            found[name] = contexts.text(value, each.path)
            _note_secrets(value, each, contexts)
    return found


def _note_secrets(value: str, part: Part, contexts: Contexts) -> None:
    folded = value.casefold()
    notes = contexts.draft.notes
    if "secrets.github_token" in folded:
        said = "nobody gives a job GitHub's token here: put one into the Secret fairlead-secrets, as GITHUB_TOKEN"
        contexts.draft.once(Outcome.APPROXIMATED, part.path, said)
    elif "secrets." in folded:
        notes.mapped(part.path, "read from the Secret fairlead-secrets (or what secretsFrom says); a missing key fails")
    if "vars." in folded:
        notes.mapped(part.path, "read from the ConfigMap fairlead-vars (or what varsFrom says); a missing key fails")


def minutes(part: Part, contexts: Contexts) -> str | None:
    """Convert `timeout-minutes`."""
    if isinstance(part.value, str):
        contexts.draft.unsupported(part, f"{quote(part.value)}: a timeout can't be computed here; write a number")
        return None
    number = part.number()
    if number is None:
        return None
    seconds = round(number * _MINUTE)
    return f"{seconds}s" if seconds % _MINUTE else f"{seconds // _MINUTE}m"


def flag(part: Part, contexts: Contexts) -> bool | str | None:
    """Convert a field that is true, false or an expression."""
    if isinstance(part.value, bool):
        return part.value
    text = part.text()
    if text is None:
        return None
    if text.strip().casefold() in ("true", "false"):
        return text.strip().casefold() == "true"
    return contexts.text(text, part.path)


def condition(part: Part, contexts: Contexts) -> str | bool | None:
    """Convert `if`."""
    if isinstance(part.value, bool):
        return part.value
    text = part.text()
    return None if text is None else contexts.condition(text, part.path)


def concurrency(part: Part, contexts: Contexts) -> dict[str, Any] | None:
    """Convert `concurrency`: of those that wait in a group GitHub keeps the newest."""
    if not isinstance(part.value, dict):
        group = part.text()
        return None if group is None else {"group": contexts.text(group, part.path), "queue": "latest"}
    part.only(("group", "cancel-in-progress", "queue"))
    named, cancel, queue = part.get("group"), part.get("cancel-in-progress"), part.get("queue")
    if named is None:
        part.refuse('"group" is missing')
        return None
    found: dict[str, Any] = {"group": contexts.text(named.text() or "", named.path)}
    if cancel is not None:
        found["cancelInProgress"] = flag(cancel, contexts)
    found["queue"] = "all" if queue is not None and queue.value == "max" else "latest"
    return found
