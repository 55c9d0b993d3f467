from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kopf
import pytest
from kopf._cogs.structs.ephemera import AnyMemo
from kopf._cogs.structs.references import Insights
from kopf._core.engines.admission import serve_admission_request
from kopf._core.engines.indexing import OperatorIndexers
from kopf._core.reactor.inventory import ResourceMemories
from kubernetes.client import Configuration

from fairlead.controller.handlers import Admission, build_registry, configure, review, take_workflow
from fairlead.controller.webhook import WebhookServer
from fairlead.engine.store import Store
from fairlead.kube.connection import Connection
from fairlead.kube.reduce import workflow_record
from tests.builders import KEY, a_spec, chain
from tests.kube.documents import workflow_document

if TYPE_CHECKING:
    from fairlead.model.ids import WorkflowKey

DELETING = {"deletionTimestamp": "2026-03-01T12:00:00Z"}


def test_backoffs() -> None:
    """A request of kopf is tried for as long as it takes, at most eight seconds apart; each request begins anew."""
    settings = kopf.OperatorSettings()
    configure(settings, None)
    pauses = settings.networking.error_backoffs
    assert isinstance(pauses, Iterable)
    assert [[*islice(pauses, 7)] for _ in range(2)] == [[0.5, 1, 2, 4, 8, 8, 8]] * 2


def a_store(*documents: dict[str, Any]) -> tuple[Store, list[WorkflowKey]]:
    """Give a store that has some Workflows, and what it tells from then on."""
    told: list[WorkflowKey] = []
    store = Store(told.append)
    for document in documents:
        take_workflow(store, None, document)
    told.clear()
    return store, told


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED", "LISTED"])
def test_take(kind: str | None) -> None:
    """Whatever a watch or a list says of a Workflow goes into the store, and it is looked at."""
    store, told = a_store(workflow_document(version=7))
    document = workflow_document(chain().document(), version=8)
    take_workflow(store, kind, document)
    assert (store.workflow(KEY), told) == (workflow_record(document), [KEY])


def test_take_what_is_old() -> None:
    """Old news changes nothing."""
    store, told = a_store(workflow_document(version=7))
    take_workflow(store, "MODIFIED", workflow_document(chain().document(), version=6))
    assert (store.workflow(KEY), told) == (workflow_record(workflow_document(version=7)), [])


@pytest.mark.parametrize(("kind", "metadata"), [("DELETED", {}), ("MODIFIED", DELETING), (None, DELETING)])
def test_take_what_goes(kind: str | None, metadata: dict[str, Any]) -> None:
    """A Workflow that is deleted, or about to be, is gone."""
    store, told = a_store(workflow_document(version=7))
    take_workflow(store, kind, workflow_document(version=8, **metadata))
    assert (store.workflow(KEY), told) == (None, [KEY])


TEMPLATE = a_spec().job("make", commands=["make ${{ inputs.level }}"]).but(inputs={"level": {"type": "number"}})
WRONG = {"jobs": {"build": {"image": "a", "comands": ["make"]}, "test": {"commands": ["a"], "needs": ["biuld"]}}}
SAID = """\
this {kind} can't run:
spec.jobs.build: nothing to run; give it steps, commands, a check or uses
spec.jobs.build.comands: unknown field; did you mean "commands"?
spec.jobs.test: has no image; set image here, or for all jobs in spec.defaults.image
spec.jobs.test.needs[0]: no job "biuld"; did you mean "build"?"""


@pytest.mark.parametrize("kind", ["Workflow", "WorkflowTemplate"])
@pytest.mark.parametrize("old", [None, {}, chain().document()])
def test_review(kind: str, old: dict[str, Any] | None) -> None:
    """A wrong spec is refused with all its problems."""
    with pytest.raises(kopf.AdmissionError) as caught:
        review(kind, WRONG, old)
    assert (str(caught.value), caught.value.code) == (SAID.format(kind=kind), 422)


@pytest.mark.parametrize("kind", ["Workflow", "WorkflowTemplate"])
@pytest.mark.parametrize(
    ("spec", "old"),
    [(chain().document(), None), (chain().document(), WRONG), (WRONG, WRONG)],
    ids=["right", "mended", "wrong as before"],
)
def test_admitted(kind: str, spec: dict[str, Any], old: dict[str, Any] | None) -> None:
    """A right spec may come; a wrong one that is there already may stay, so that its labels can change."""
    review(kind, spec, old)


async def reviewed(plural: str, kind: str, spec: dict[str, Any]) -> Any:  # noqa: ANN401  an AdmissionResponse
    """Have a resource reviewed as the API server does, by the path of the chart's webhook."""

    async def nothing() -> None:
        pass

    async def read_all(_: str | None) -> int:
        return 1

    connection = Connection("http://127.0.0.1:1", Configuration())
    admission = Admission(9443, Path("tls.crt"), Path("tls.key"))
    registry = build_registry(
        connection, Store(lambda _: None), admission, start=nothing, stop=nothing, read_all=read_all
    )
    insights = Insights()
    resources = [
        kopf.Resource("fairlead.dev", "v1alpha1", each, kind=each, verbs=frozenset({"list", "watch", "patch"}))
        for each in ("workflows", "workflowtemplates")
    ]
    insights.webhook_resources.update(resources)
    request: Any = {
        "request": {
            "uid": "1",
            "operation": "CREATE",
            "kind": {"group": "fairlead.dev", "version": "v1alpha1", "kind": kind},
            "resource": {"group": "fairlead.dev", "version": "v1alpha1", "resource": plural},
            "userInfo": {"username": "a", "uid": "b", "groups": []},
            "object": {**workflow_document(spec), "kind": kind},
        }
    }
    answer: Any = await serve_admission_request(
        request,
        webhook="validate",  # type: ignore[arg-type]
        settings=kopf.OperatorSettings(),
        memories=ResourceMemories(),
        memobase=AnyMemo(kopf.Memo()),
        registry=registry,
        insights=insights,
        indices=OperatorIndexers().indices,
    )
    return answer["response"]


@pytest.mark.parametrize(
    ("plural", "kind", "right"),
    [
        ("workflows", "Workflow", chain().document()),
        ("workflowtemplates", "WorkflowTemplate", TEMPLATE.document()),
    ],
)
async def test_webhook(plural: str, kind: str, right: dict[str, Any]) -> None:
    """Both kinds are reviewed by the one path that the chart's webhook has."""
    admitted, refused = await reviewed(plural, kind, right), await reviewed(plural, kind, WRONG)
    assert (admitted["allowed"], refused["allowed"], refused["status"]["message"]) == (
        True,
        False,
        SAID.format(kind=kind),
    )


def test_configure() -> None:
    """The framework does nothing by itself: no Events, no annotations, no looking for resources."""
    settings = kopf.OperatorSettings()
    configure(settings, None)
    body = kopf.Body(workflow_document())  # type: ignore[arg-type]
    patch = kopf.Patch()
    storage = settings.persistence.diffbase_storage
    essence = storage.build(body=body)
    storage.store(body=body, patch=patch, essence=essence)
    progress = settings.persistence.progress_storage
    progress.touch(body=body, patch=patch, value="now")
    assert (
        settings.posting.enabled,
        settings.scanning.disabled,
        settings.networking.trust_env,
        settings.admission.server,
        essence,
        storage.fetch(body=body),
        dict(patch),
    ) == (False, True, False, None, {}, None, {})


def test_configure_admission() -> None:
    """With a certificate, reviews are answered on the port that was named."""
    settings = kopf.OperatorSettings()
    configure(settings, Admission(9443, Path("tls.crt"), Path("tls.key")))
    server = settings.admission.server
    assert server == WebhookServer(9443, Path("tls.crt"), Path("tls.key"))


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Webhook 'validate' failed permanently: this Workflow can't run:\nspec.jobs: there are no jobs", []),
        ("Handler 'on_workflow' failed with an exception.", ["Handler 'on_workflow' failed with an exception."]),
    ],
)
def test_refusals_are_not_logged(caplog: pytest.LogCaptureFixture, message: str, told: list[str]) -> None:
    """A wrong spec is its author's business, who is told; what goes wrong here is told without kopf's settings."""
    configure(kopf.OperatorSettings(), None)
    logging.getLogger("kopf.objects").error(message, extra={"settings": "all of them"})
    assert [(each.getMessage(), hasattr(each, "settings")) for each in caplog.records] == [
        (each, False) for each in told
    ]
