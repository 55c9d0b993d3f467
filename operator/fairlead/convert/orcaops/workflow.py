"""One OrcaOps workflow: what stands at its top, and its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.notes import Notes
from fairlead.convert.orcaops.conditions import Rewriter
from fairlead.convert.orcaops.needs import Needs, check_parallel
from fairlead.convert.orcaops.steps import JobDraft
from fairlead.convert.origins import Origins, resource_name
from fairlead.convert.part import Part
from fairlead.convert.rewriting import access, text
from fairlead.model.fields import scalar_text
from fairlead.model.problem import closest, quote

if TYPE_CHECKING:
    from fairlead.convert.conversion import Conversion, Options
    from fairlead.expressions import Node
    from fairlead.syntax.source import Document

_TOP: Final = ("name", "description", "env", "jobs", "timeout", "cleanup_policy")
_JOB_TIMEOUT: Final = "5m"
_RUN_TIMEOUT: Final = "1h"


@dataclass(slots=True)
class OrcaOpsWorkflow:
    """The conversion of one document."""

    document: Document
    options: Options
    notes: Notes = field(init=False)
    origins: Origins = field(init=False)
    inputs: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notes = Notes(self.document)
        self.origins = Origins(self.notes)

    def conversion(self) -> Conversion:
        """Give the Workflow and the report."""
        top = Part(self.document.value, (), self.notes)
        spec = self._spec(top)
        resource: dict[str, Any] = {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": self._metadata(top),
            "spec": spec,
        }
        self.origins.check(resource)
        return self.notes.conversion(resource)

    def _metadata(self, top: Part) -> dict[str, object]:
        name = top.get("name")
        written = name.text() if name is not None else None
        found: dict[str, object] = {"name": resource_name(written or "", resource_name(self.options.name))}
        if name is not None and written != found["name"]:
            name.notes.mapped(name.path, f"a resource's name has lower-case letters, digits and -: {found['name']}")
        description = top.get("description")
        if description is not None:
            found["annotations"] = {"fairlead.dev/description": description.text() or ""}
            description.notes.mapped(description.path, "description: kept as the annotation fairlead.dev/description")
        return found

    def _spec(self, top: Part) -> dict[str, object]:
        note_unknown(top, _TOP, "a workflow")
        self.origins.put(("spec",), ())
        timeout, cleanup = top.get("timeout"), top.get("cleanup_policy")
        spec: dict[str, object] = {}
        said = f"where nothing is said a job may take {_JOB_TIMEOUT} and a run {_RUN_TIMEOUT}, as in OrcaOps"
        top.notes.mapped(("jobs",), said)
        if cleanup is not None:
            said = (
                "cleanup_policy: a job's containers end with it, and its Pod goes with the Workflow (ttlAfterFinished)"
            )
            cleanup.notes.left_out(cleanup.path, said)
        jobs = self._jobs(top)
        env = top.get("env")
        if self.inputs:
            spec["inputs"] = self.inputs
        if env is not None:
            spec["env"] = self._env(env)
        spec["defaults"] = {"timeout": _JOB_TIMEOUT}
        spec["timeout"] = _RUN_TIMEOUT if timeout is None else timeout.value
        spec["jobs"] = jobs
        return spec

    def _env(self, env: Part) -> object:
        if not isinstance(env.value, dict):
            return env.value
        rewriter = Rewriter(lambda name: self.variable(env, name))
        return {
            name: f"${{{{ inputs.{name} }}}}"
            if name in self.inputs
            else rewriter.text(value, early=True)
            if isinstance(value, str)
            else value
            for name, value in env.value.items()
        }

    def _jobs(self, top: Part) -> object:
        jobs = top.get("jobs")
        if jobs is None or not isinstance(jobs.value, dict):
            return None if jobs is None else jobs.value
        found: dict[str, object] = {}
        parts = jobs.members()
        needs = {name: Needs.of(job) for name, job in parts.items()}
        for name, job in parts.items():
            self.origins.put(("spec", "jobs", name), job.path)
            if isinstance(job.value, dict):
                rewriter = Rewriter(lambda each, job=job: self.variable(job, each))  # type: ignore[misc]
                found[name] = JobDraft(name, job, needs[name], rewriter, self.origins).job()
            else:
                found[name] = job.value
        for name, job in parts.items():
            check_parallel(name, job, needs)
        return found

    def variable(self, part: Part, name: str) -> Node:
        """Give what `env.NAME` is before a job runs: an input with the workflow's value, or the job's own text."""
        source = self.document.value
        env = source.get("env") if isinstance(source, dict) else None
        value = env.get(name) if isinstance(env, dict) else None
        if isinstance(value, str | bool | int | float) and "${{" not in str(value):
            self.inputs[name] = str(scalar_text(value))
            said = f"conditions are asked before there is an env, so {name} is an input, too, with the same value"
            part.notes.mapped(("env", name), said)
            return access("inputs", name)
        own = part.get("env")
        mine = own.get(name) if own is not None else None
        if mine is not None and isinstance(mine.value, str | bool | int | float) and "${{" not in str(mine.value):
            return text(str(scalar_text(mine.value)))
        part.notes.approximated(part.path, f"env.{name} is set nowhere in this file, so it is an empty text here")
        return text("")


def note_unknown(part: Part, known: tuple[str, ...], what: str) -> None:
    """Leave out keys that mean nothing to OrcaOps, either; refuse those that are probably typing errors."""
    if not isinstance(part.value, dict):
        return
    for key in part.value:
        if key in known:
            continue
        meant = closest(key, known)
        if meant is not None:
            part.notes.refused((*part.path, key), f"{what} has no {quote(key)}; did you mean {quote(meant)}?")
        else:
            part.notes.left_out((*part.path, key), f"{what} has no {quote(key)}: OrcaOps passes over it, too")
