"""One workflow file: what its parts come to, put together and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fairlead.convert.conversion import Conversion, Outcome
from fairlead.convert.github.calls import Called, Templates
from fairlead.convert.github.contexts import Contexts
from fairlead.convert.github.draft import Draft
from fairlead.convert.github.fields import concurrency, variables
from fairlead.convert.github.images import LABELS
from fairlead.convert.github.jobs import convert_job, run_defaults
from fairlead.convert.github.triggers import ANNOTATIONS, Triggers, triggers
from fairlead.convert.notes import Notes
from fairlead.convert.origins import Origins, resource_name
from fairlead.convert.part import Part
from fairlead.syntax.source import Dialect, SourceError, read_documents

if TYPE_CHECKING:
    from fairlead.convert.conversion import Options
    from fairlead.syntax.source import Document

_VERSION: Final = "fairlead.dev/v1alpha1"
_WORDS: Final = {
    "failFast": "fail-fast",
    "maxParallel": "max-parallel",
    "continueOnError": "continue-on-error",
    "timeout": "timeout-minutes",
    "workingDirectory": "working-directory",
    "cancelInProgress": "cancel-in-progress",
    "image": "runs-on",
    "healthCheck": "options",
}
"""GitHub's names of fields by ours."""

_KNOWN: Final = ("name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs")


def convert(document: Document, options: Options) -> Conversion:
    """Convert a workflow file; what is wrong in it is a refusal with its place."""
    file = _File(document, options, options.name)
    templates = Templates(_called_file(options))
    resources = file.resources(templates)
    called = [each for found in templates.found.values() for each in found.resources]
    others = {resource["metadata"]["name"]: resource for resource in called}
    notes = [note for found in templates.found.values() for note in found.notes]
    return Conversion((*others.values(), *resources), (*file.notes.all, *dict.fromkeys(notes)))


def _called_file(options: Options) -> Any:  # noqa: ANN401  a function, whose type says it in calls
    def convert_called(path: str, text: str, templates: Templates) -> Called | None:
        try:
            documents = read_documents(text, Dialect.CORE)
        except SourceError:
            return None
        if len(documents) != 1:
            return None
        name = path.rpartition("/")[2].rpartition(".")[0]
        file = _File(documents[0], options, name, path)
        if not file.triggers.called:
            return None
        inner = Templates(templates.convert, (*templates.open, path), templates.found)
        resources = file.resources(inner, only_called=True)
        return Called(tuple(resources), file.notes.all, file.draft.source_inputs if file.draft.sources else None)

    return convert_called


class _File:
    """A file on its way; `path` is its place in the project where another file calls it."""

    def __init__(self, document: Document, options: Options, name: str, path: str | None = None) -> None:
        self.notes = Notes(document, path)
        self.whole = Part(document.value, (), self.notes)
        self.name = resource_name(name, "workflow")
        self.triggers = triggers(self.whole.get("on"), self.whole) if self._is_map() else Triggers()
        images = {**LABELS, **options.images}
        self.draft = Draft(self.notes, options, images, Origins(self.notes, _WORDS), self.triggers.kinds)
        self.draft.event = self.triggers.event
        self.contexts = Contexts(self.draft)

    def _is_map(self) -> bool:
        return isinstance(self.whole.value, dict)

    def resources(self, templates: Templates, *, only_called: bool = False) -> list[dict[str, Any]]:
        """Give the template of a workflow that is called, and the workflow of one that starts by itself."""
        if not self._is_map():
            self.whole.refuse("a workflow file is a map (KEY: VALUE)")
            return []
        self.whole.only(_KNOWN)
        body = self._body(templates)
        made: list[dict[str, Any]] = []
        if self.triggers.called or only_called:
            made.append(self._template(body))
            body = {"uses": self.name, **self._handed_on()}
        if not (only_called or self.triggers.only_called):
            made.append(self._workflow(body))
        for resource in made:
            self.draft.origins.check(resource)
        return made

    def _body(self, templates: Templates) -> dict[str, Any]:
        for made, source in (("defaults", ("defaults", "run")), ("schedules", ("on", "schedule")), ("inputs", ("on",))):
            self.draft.origins.put(("spec", made), source)
        self._notes()
        env = variables(self.whole.get("env"), self.contexts)
        self.draft.env = env
        defaults = self.whole.get("defaults")
        given = run_defaults(defaults.get("run"), self.contexts) if defaults else {}
        group = self.whole.get("concurrency")
        one = None if group is None else concurrency(group, self.contexts)
        jobs = self._jobs(given, templates)
        outputs = self._outputs()
        body: dict[str, Any] = {}
        env = {**self.draft.needed_env, **env}
        body |= {"env": env} if env else {}
        body |= {"defaults": given} if given else {}
        body |= {"concurrency": one} if one else {}
        body |= {"outputs": outputs} if outputs else {}
        return {**body, "jobs": jobs}

    def _notes(self) -> None:
        rights, title = self.whole.get("permissions"), self.whole.get("run-name")
        if rights is not None:
            said = "permissions are of GitHub's token, which a job here doesn't have"
            self.draft.once(Outcome.LEFT_OUT, rights.path, said)
        if title is not None:
            self.notes.left_out(title.path, "run-name: runs are called by their workflow and their number")

    def _jobs(self, defaults: dict[str, str], templates: Templates) -> dict[str, Any]:
        jobs = self.whole.get("jobs")
        if jobs is None:
            self.whole.refuse('"jobs" are missing')
            return {}
        made = {key: convert_job(key, each, self.draft, defaults, templates) for key, each in jobs.members().items()}
        return {key: job for key, job in made.items() if job is not None}

    def _outputs(self) -> dict[str, str]:
        given, found = self.triggers.outputs, {}
        for name, each in given.members().items() if given else ():
            value = each.get("value")
            if value is None:
                each.refuse('"value" is missing')
                continue
            found[name] = self.contexts.text(value.text() or "", value.path)
            self.draft.origins.put(("spec", "outputs", name), value.path)
        return found

    def _sources(self) -> dict[str, str]:
        return dict.fromkeys(self.draft.source_inputs, "") if self.draft.sources else {}

    def _handed_on(self) -> dict[str, Any]:
        names = [*self.triggers.values(), *self._sources()]
        return {"with": {name: f"${{{{ inputs.{name} }}}}" for name in names}} if names else {}

    def _template(self, body: dict[str, Any]) -> dict[str, Any]:
        declared: dict[str, Any] = dict(self.triggers.declared)
        if self.draft.sources:
            repository, ref = self.draft.source_inputs
            declared[repository] = {"type": "string", "description": "What to check out; nothing where it is there"}
            declared[ref] = {"type": "string", "description": "The branch, tag or commit to check out"}
        return self._resource("WorkflowTemplate", {**({"inputs": declared} if declared else {}), **body})

    def _workflow(self, body: dict[str, Any]) -> dict[str, Any]:
        values = {**self.triggers.values(), **self._sources()}
        needed = [name for name, each in self.triggers.declared.items() if each.get("required")]
        for name in needed:
            said = f"the input {name} has to be given: it is empty in what is written here"
            self.notes.approximated(("on", "workflow_dispatch", "inputs", name), said)
        spec = {**({"inputs": values} if values else {}), **body}
        if self.triggers.schedules:
            spec = {"schedules": self.triggers.schedules, **spec}
        return self._resource("Workflow", spec)

    def _resource(self, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        title = self.whole.get("name")
        annotations = {}
        if title is not None:
            annotations[f"{ANNOTATIONS}name"] = title.text() or ""
        if self.triggers.value:
            annotations[f"{ANNOTATIONS}on"] = self.triggers.annotation()
        if self.draft.names_event and kind == "Workflow":
            annotations["fairlead.dev/event-name"] = self.draft.event
        metadata: dict[str, Any] = {"name": self.name}
        if annotations:
            metadata["annotations"] = annotations
        return {"apiVersion": _VERSION, "kind": kind, "metadata": metadata, "spec": spec}
