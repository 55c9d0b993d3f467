"""A user's file, checked: the workflow in it, or everything that is wrong with it, shown as `lint` does."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fairlead.cli.excerpt import excerpts, show, terminal
from fairlead.cli.lint import Linted, lint_documents, summary
from fairlead.model.ids import Uid, WorkflowKey
from fairlead.model.problem import InvalidWorkflowError
from fairlead.model.status import WorkflowStatus
from fairlead.plan.observed import Resource
from fairlead.syntax import parse_spec
from fairlead.syntax.finding import Severity
from fairlead.syntax.lint import problem_findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fairlead.cli.files import WorkflowFile
    from fairlead.model.workflow import Workflow
    from fairlead.syntax.finding import Finding


@dataclass(frozen=True, slots=True)
class Checked:
    """A file with its workflow, None where there are errors; `errors` has those, in the order of the text."""

    file: WorkflowFile
    workflow: Workflow | None
    resource: Resource
    errors: Sequence[Finding] = ()

    @property
    def written(self) -> list[str]:
        """Name the jobs in the order in which they are written."""
        jobs = self.file.spec.get("jobs")
        return list(jobs) if isinstance(jobs, dict) else []


def check_file(file: WorkflowFile, changed: Mapping[str, Any] | None = None) -> Checked:
    """Check a file, perhaps with changes to its resource that no place in it stands for, as other inputs.

    The workflow is made as a cluster would have it, which keeps maps in the order of their keys.
    """
    resource = dict(changed if changed is not None else file.resource)
    found = [
        finding
        for finding in lint_documents(file.source, [file.document], file.templates)
        if finding.severity is Severity.ERROR
    ]
    workflow = None
    if not found:
        try:
            workflow = parse_spec(as_stored(resource.get("spec") or {}))
        except InvalidWorkflowError as error:
            found = problem_findings(error.problems, file.document, file.source.text)
    return Checked(file, workflow, as_resource(resource), found)


def as_stored(value: Any) -> Any:  # noqa: ANN401  a JSON document
    """Give a document as the API server keeps it: each map in the order of its keys."""
    return json.loads(json.dumps(value, sort_keys=True))


def as_resource(resource: Mapping[str, Any]) -> Resource:
    """Give what expressions can name of a resource that isn't on any cluster yet."""
    metadata = resource.get("metadata")
    known: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
    labels, annotations = known.get("labels") or {}, known.get("annotations") or {}
    key = WorkflowKey(str(known.get("namespace") or ""), str(known.get("name") or ""))
    made = Resource(key, Uid(""), 1, WorkflowStatus())
    return replace(
        made,
        labels=labels if isinstance(labels, dict) else {},
        annotations=annotations if isinstance(annotations, dict) else {},
    )


def show_errors(checked: Checked) -> None:
    """Show what is wrong on standard error, as `lint` does."""
    console = terminal(stderr=True)
    show(console, excerpts(checked.file.source.name, checked.file.source.text, checked.errors))
    console.print(summary([Linted(checked.file.source, checked.errors)]))
