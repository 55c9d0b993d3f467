"""What a playbook wants to be true before anything runs: a job that everything needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.convert.aitherzero.asking import seen_variables
from fairlead.convert.aitherzero.calls import require_text
from fairlead.convert.aitherzero.literals import plain
from fairlead.convert.aitherzero.members import Members
from fairlead.convert.aitherzero.playbook import label
from fairlead.convert.origins import job_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairlead.convert.aitherzero.playbook import Playbook
    from fairlead.convert.part import Part


def add_preconditions(playbook: Playbook, jobs: Mapping[str, object]) -> dict[str, object]:
    """Put a job with the preconditions before all others, where there are any."""
    part = playbook.top.take("validation")
    if part is None:
        return dict(jobs)
    validation = Members(part)
    before = validation.take("preConditions")
    validation.leave("where it doesn't hold AitherZero only warns; nothing is decided by it", "postConditions")
    validation.leave("nothing here counts what scripts find; they fail themselves", "thresholds")
    validation.close("validation", strict=True)
    name = job_key("preconditions", jobs)
    steps = [step for each in (before.elements() if before is not None else []) if (step := _step(playbook, each))]
    if not steps or before is None:
        return dict(jobs)
    playbook.origins.put(("spec", "jobs", name), before.path)
    said = "preConditions: a job before all others asks them, in a container of its own"
    before.notes.approximated(before.path, said)
    found: dict[str, object] = {name: {"name": "Preconditions", "steps": steps}}
    for key, job in jobs.items():
        found[key] = {**job, "needs": [name]} if isinstance(job, dict) and not job.get("needs") else job
    return found


def _step(playbook: Playbook, part: Part) -> dict[str, object] | None:
    members = Members(part)
    name, condition, message = members.take("name"), members.take("condition"), members.take("message")
    members.close("a condition", strict=True)
    text = condition.text() if condition is not None else None
    if text is None:
        part.refuse("there is no condition in it")
        return None
    shown = name.text() if name is not None else None
    said = (message.text() if message is not None else None) or f"{shown or text} doesn't hold"
    env: dict[str, str] = {}
    run = require_text(text, said, seen_variables(playbook, text, env))
    step: dict[str, object] = {"name": label(shown or text), "run": plain(run)}
    return step | ({"env": env} if env else {})
