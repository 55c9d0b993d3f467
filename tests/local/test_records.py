from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.runs import Log, NotFoundError
from fairlead.local.host import HostRuntime
from fairlead.local.records import CUT_OFF, apply, prune, remove
from fairlead.local.runs import LocalRuns
from fairlead.local.session import Session, Settings, now
from fairlead.local.state import State
from fairlead.model.ids import Attempt, RunNumber
from fairlead.model.phase import WorkflowPhase
from fairlead.plan.runs import CANCEL, RERUN
from tests.builders import node_of

if TYPE_CHECKING:
    from pathlib import Path

    from fairlead.model.status import WorkflowStatus


@pytest.fixture
def state(tmp_path: Path) -> State:
    """Give an empty state folder."""
    return State(tmp_path / "state")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give an empty folder to run in."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def a_document(name: str = "ci", run: str = "echo hello", **spec: Any) -> dict[str, Any]:  # noqa: ANN401  a spec's fields
    """Give a Workflow with two jobs, one after the other."""
    jobs = {"a": {"steps": [{"run": run}]}, "b": {"needs": ["a"], "steps": [{"run": "echo there"}]}}
    return {"metadata": {"name": name}, "spec": {"defaults": {"image": "any", "shell": "sh"}, "jobs": jobs, **spec}}


async def a_run(state: State, workspace: Path, name: str = "ci") -> WorkflowStatus:
    """Run what is recorded."""
    return await Session(state, name, HostRuntime(os.environ), Settings(workspace, 2)).run()


async def text_of(runs: LocalRuns, name: str, log: Log) -> str:
    """Read a log to its end."""
    return b"".join([piece async for piece in runs.read(await runs.get(name), log)]).decode()


async def test_a_run_is_recorded(state: State, workspace: Path) -> None:
    """What ran can be looked at afterwards: its status, its logs in the order of its jobs."""
    apply(state, a_document(), now())
    status = await a_run(state, workspace)
    runs = LocalRuns(state)
    found = await runs.get("ci")
    logs = await runs.logs(found)
    assert (found.record.resource.status, [each.name for each in await runs.list()]) == (status, ["ci"])
    assert [(log.node, log.attempt, log.run) for log in logs] == [
        (node_of("a"), Attempt(1), RunNumber(1)),
        (node_of("b"), Attempt(1), RunNumber(1)),
    ]
    assert await text_of(runs, "ci", logs[0]) == "::group::echo hello\nhello\n::endgroup::\n"


async def test_the_same_again(state: State, workspace: Path) -> None:
    """What is applied again runs again, changed or not; the history remembers."""
    seen = []
    for document in (a_document(), a_document(), a_document(run="exit 3"), a_document(run="exit 3")):
        apply(state, document, now())
        status = await a_run(state, workspace)
        seen.append((status.run, status.phase, state.read("ci")["metadata"]["generation"]))  # type: ignore[index]
    assert [(run, str(phase), generation) for run, phase, generation in seen] == [
        (1, "Succeeded", 1),
        (2, "Succeeded", 1),
        (3, "Failed", 2),
        (4, "Failed", 2),
    ]
    history = (await LocalRuns(state).get("ci")).record.resource.status.history
    assert [(each.run, str(each.phase)) for each in history] == [(3, "Failed"), (2, "Succeeded"), (1, "Succeeded")]


async def test_rerun_of_what_failed(state: State, workspace: Path) -> None:
    """A rerun of what failed leaves the rest as it was."""
    (workspace / "wanted").write_text("")
    document = a_document()
    document["spec"]["jobs"]["b"]["steps"][0]["run"] = "test ! -e wanted"
    apply(state, document, now())
    assert str((await a_run(state, workspace)).phase) == "Failed"
    (workspace / "wanted").unlink()
    await LocalRuns(state).annotate("ci", {RERUN: "1 failed"})
    status = await a_run(state, workspace)
    jobs = {str(job): (str(each.phase), each.kept_from) for job, each in status.jobs.items()}
    assert (str(status.phase), jobs) == ("Succeeded", {"a": ("Succeeded", 1), "b": ("Succeeded", None)})


async def test_cut_off(state: State, workspace: Path) -> None:
    """A run whose process has died shows as cancelled, can be cancelled, and makes room for the next one."""
    apply(state, a_document(), now())
    began = await a_run(state, workspace)
    going = began.model_copy(update={"phase": WorkflowPhase.RUNNING, "finished_at": None}).to_json()
    going["jobs"]["b"] = {"phase": "Running", "attempt": 1}
    state.change("ci", lambda old: {**old, "status": going})
    runs = LocalRuns(state)

    def told(status: WorkflowStatus) -> list[object]:
        return [str(status.phase), status.message, *(str(each.phase) for each in status.jobs.values())]

    shown = ["Cancelled", CUT_OFF, "Succeeded", "Cancelled"]
    assert told((await runs.get("ci")).record.resource.status) == shown
    assert state.read("ci")["status"]["phase"] == "Running"  # type: ignore[index]
    assert told((await runs.annotate("ci", {CANCEL: "1"})).record.resource.status) == shown
    assert state.read("ci")["status"]["phase"] == "Cancelled"  # type: ignore[index]
    state.change("ci", lambda old: {**old, "status": going})
    apply(state, a_document(), now())
    status = await a_run(state, workspace)
    assert (status.run, str(status.phase), status.history[0].message) == (2, "Succeeded", CUT_OFF)


async def test_prune(state: State, workspace: Path) -> None:
    """Logs go with what the history forgets."""
    for _ in range(3):
        apply(state, a_document(historyLimit=1), now())
        await a_run(state, workspace)
    prune(state, "ci")
    runs = LocalRuns(state)
    assert [(log.run, str(log.node)) for log in await runs.logs(await runs.get("ci"))] == [
        (2, "a"),
        (2, "b"),
        (3, "a"),
        (3, "b"),
    ]


async def test_called_workflows_go_along(state: State, workspace: Path) -> None:
    """A Workflow that was called is recorded, and deleted with its caller."""
    document = a_document()
    document["spec"]["jobs"] = {"a": {"uses": "template"}}
    template = {"jobs": {"x": {"image": "any", "steps": [{"run": "echo called"}]}}}
    apply(state, document, now())
    settings = Settings(workspace, 2, templates={"template": template})
    status = await Session(state, "ci", HostRuntime(os.environ), settings).run()
    assert (str(status.phase), len(state.names())) == ("Succeeded", 2)
    remove(state, "ci")
    assert state.names() == []


async def test_nobody_knows(state: State) -> None:
    """What was never run, or is gone, is told with what was probably meant."""
    apply(state, a_document("build"), now())
    runs = LocalRuns(state)
    said = 'no Workflow "biuld" was run on this machine; did you mean "build"?'
    with pytest.raises(NotFoundError, match=said.replace("?", r"\?")):
        await runs.get("biuld")
    with pytest.raises(NotFoundError, match="was run on this machine"):
        await runs.annotate("../build", {})
    with pytest.raises(NotFoundError, match="was run on this machine"):
        await anext(runs.follow("zzz"))
    lost = Log(node_of("a"), Attempt(1), RunNumber(1), "gone")
    with pytest.raises(NotFoundError, match="there is no log of gone"):
        await anext(runs.read(await runs.get("build"), lost, follow=True))
