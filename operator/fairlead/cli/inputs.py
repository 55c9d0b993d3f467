"""`--input NAME=VALUE`: other values for a workflow's inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fairlead.cli.showing import names
from fairlead.cli.where import CommandError
from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from fairlead.cli.files import WorkflowFile


def with_inputs(workflow: WorkflowFile, given: tuple[str, ...]) -> dict[str, Any]:
    """Give the resource with a name and with the values of inputs, each of the kind that stands in the file.

    Of a Workflow that uses a template they are the template's, and checked there. Raises CommandError.
    """
    metadata = dict(workflow.metadata)
    if not metadata.get("name") and not metadata.get("generateName"):
        metadata["name"] = workflow.name
    spec = dict(workflow.spec)
    field = "with" if "uses" in spec else "inputs"
    found = spec.get(field)
    known: dict[str, Any] = found if isinstance(found, dict) else {}
    values = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise CommandError(f"--input {quote(each)} has no value; write NAME=VALUE")
        if field == "inputs" and name not in known:
            meant = closest(name, known)
            has = f"it has {names(list(known))}" if known else "it has none"
            hint = f"did you mean {quote(meant)}?" if meant else has
            raise CommandError(f"the workflow has no input {quote(name)}; {hint}")
        values[name] = _as(known.get(name), value, name)
    if values:
        spec[field] = {**known, **values}
    return {**workflow.resource, "metadata": metadata, "spec": spec}


def _as(default: object, text: str, name: str) -> object:
    if not isinstance(default, bool | int | float):
        return text
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        value = None
    boolean = isinstance(default, bool)
    if not isinstance(value, int | float) or isinstance(value, bool) != boolean:
        kind = "true or false" if boolean else "a number"
        raise CommandError(f"the input {quote(name)} is {kind}, which {quote(text)} is not")
    return value
