from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fairlead.engine.errors import ConflictError, GoneError, RefusedError
from fairlead.local.state import State, state_home
from tests.local.processes import python
from tests.local.rights import without_privileges

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def state(tmp_path: Path) -> State:
    """Give a folder of which nothing is there yet."""
    return State(tmp_path / "xdg" / "fairlead")


def a_document(name: str | None = "ci", **metadata: object) -> dict[str, Any]:
    """Give a Workflow as it is before it is recorded."""
    return {"metadata": {**({"name": name} if name else {}), **metadata}, "spec": {"jobs": {}}}


def touched(document: dict[str, Any]) -> dict[str, Any]:
    """Give it with another label."""
    return {**document, "metadata": {**document["metadata"], "labels": {"a": "b"}}}


def files(folder: Path) -> list[str]:
    """Name everything in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_STATE_HOME": "/var/x", "HOME": "/home/a"}, "/var/x/fairlead"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/a"}, "/home/a/.local/state/fairlead"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/state/fairlead"),
        ({"HOME": "/home/a"}, "/home/a/.local/state/fairlead"),
    ],
)
def test_home(variables: Mapping[str, str], expected: str) -> None:
    """The folder is XDG's for state; a relative path counts as none."""
    assert state_home(variables) == Path(expected)


def test_nothing_yet(state: State) -> None:
    """Where nothing was ever recorded nothing is found, and nothing is made by looking."""
    found = (state.version(), state.names(), state.read("ci"), state.job_names("ci"), list(state.jobs("ci")))
    assert (*found, state.is_owned("ci"), state.folder.exists()) == (0, [], None, [], [], False, False)


def test_create(state: State) -> None:
    """What is recorded is what was given, with an identity and a version; only its owner can read it."""
    made = state.create(a_document(labels={"a": "b"}))
    uid = made["metadata"]["uid"]
    assert made == {
        "metadata": {
            "name": "ci",
            "namespace": "default",
            "labels": {"a": "b"},
            "uid": uid,
            "generation": 1,
            "resourceVersion": "1",
        },
        "spec": {"jobs": {}},
    }
    assert (state.read("ci"), state.names(), state.version(), len(uid)) == (made, ["ci"], 1, 32)
    assert state.folder.stat().st_mode & 0o777 == 0o700


def test_create_where_one_is(state: State) -> None:
    """A name is given once; who calls a Workflow twice gets the first one."""
    made = state.create(a_document())
    with pytest.raises(ConflictError):
        state.create(a_document())
    assert (state.create(a_document(), called=True), state.version()) == (made, 1)


def test_generated_names(state: State) -> None:
    """Without a name each gets one of its own."""
    made = [state.create(a_document(None, generateName="ci-"))["metadata"]["name"] for _ in range(3)]
    assert (sorted(made), len(set(made)), {name[:3] for name in made}) == (state.names(), 3, {"ci-"})


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", "A", "a_b", "-a", "a" * 254, "a\n", "ä", "a\0"])
def test_bad_name(state: State, name: str) -> None:
    """What is no name in Kubernetes is none here, nor a way out of the folder."""
    with pytest.raises(RefusedError, match="can't be the name of a Workflow"):
        state.create(a_document(name))
    assert (state.read(name), state.is_owned(name), state.names()) == (None, False, [])
    assert files(state.folder.parent) == ["fairlead", "fairlead/lock"]


def test_change(state: State) -> None:
    """Each change has the next version; of what was changed meanwhile only a new look can make another."""
    state.create(a_document())
    state.create(a_document("other"))
    changed = state.change("ci", touched, version=1)
    assert (changed["metadata"]["labels"], changed["metadata"]["resourceVersion"]) == ({"a": "b"}, "3")
    with pytest.raises(ConflictError):
        state.change("ci", touched, version=1)
    with pytest.raises(GoneError):
        state.change("gone", touched)
    assert (state.read("ci"), state.version()) == (changed, 3)


def test_change_that_fails(state: State) -> None:
    """A change that can't be made leaves everything as it was, and nobody locked out."""
    made = state.create(a_document())

    def fail(_: object) -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        state.change("ci", fail)
    assert (state.read("ci"), state.version(), state.create(a_document("b"))["metadata"]["name"]) == (made, 1, "b")


def test_remove(state: State) -> None:
    """What is removed is gone with all that it left, and its name can be given again."""
    state.create(a_document())
    state.job_folder("ci", "ci-build").mkdir(parents=True)
    with pytest.raises(ConflictError):
        state.remove("ci", version=7)
    for _ in range(2):
        state.remove("ci", version=1)
    assert files(state.folder) == ["lock", "runs", "version"]
    assert (state.version(), state.create(a_document())["metadata"]["resourceVersion"]) == (2, "3")


def test_remove_without_rights(state: State) -> None:
    """What a job left without rights is removed, too."""
    state.create(a_document())
    closed = state.job_folder("ci", "ci-build") / "workspace"
    closed.mkdir(parents=True)
    (closed / "file").touch()
    closed.chmod(0)
    with without_privileges():
        state.remove("ci")
    assert files(state.folder) == ["lock", "runs", "version"]


def test_left_half_made(state: State) -> None:
    """A process that died while it recorded something doesn't take the name with it."""
    (state.folder / "runs" / "ci").mkdir(parents=True)
    assert (state.names(), state.create(a_document())["metadata"]["resourceVersion"]) == ([], "1")


def test_broken(state: State) -> None:
    """A record that somebody has edited to death is told of."""
    state.create(a_document())
    (state.folder / "runs" / "ci" / "workflow.json").write_text("{")
    with pytest.raises(RefusedError, match="what is recorded of ci can't be read"):
        state.read("ci")


@pytest.mark.parametrize("limit", [0, 100])
def test_full_disk(state: State, limit: int) -> None:
    """On a disk that is full a change fails, and leaves what was there, and no half of anything."""
    made = state.create(a_document())
    before = files(state.folder)
    code = f"""
import resource, sys
from pathlib import Path
from fairlead.local.state import State
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    State(Path(sys.argv[1])).change("ci", lambda old: {{**old, "spec": "x" * 1000}})
except OSError as error:
    print(error.strerror)
"""
    said, _ = python(code, state.folder).communicate()
    assert (said, state.read("ci"), files(state.folder)) == ("File too large\n", made, before)


def test_no_rights(state: State) -> None:
    """In a folder that can't be written to, a change fails as the file system says."""
    state.folder.mkdir(parents=True)
    state.folder.chmod(0o500)
    with without_privileges(), pytest.raises(PermissionError):
        state.create(a_document())


def test_read_only(state: State) -> None:
    """What may only be read can be looked at, with who owns it."""
    made = state.create(a_document())
    with state.own("ci"):
        for path in (*state.folder.rglob("*"), state.folder):
            path.chmod(0o500 if path.is_dir() else 0o400)
        with without_privileges():
            assert (state.read("ci"), state.names(), state.is_owned("ci")) == (made, ["ci"], True)
        state.folder.chmod(0o700)


def test_jobs(state: State) -> None:
    """The attempts that work are told from those that did."""
    state.create(a_document())
    for name in ("b", "a"):
        state.job_folder("ci", name).mkdir(parents=True)
        (state.job_folder("ci", name) / "job.json").write_text(f'{{"name": "{name}"}}')
    state.job_folder("ci", "unfinished").mkdir()
    (state.job_folder("ci", "a") / "works").write_text("host")
    assert (list(state.jobs("ci")), list(state.jobs("ci", working=True))) == (
        [{"name": "a"}, {"name": "b"}],
        [{"name": "a"}],
    )
    assert (state.works_in("ci", "a"), state.works_in("ci", "b")) == ("host", None)
    state.remove_job("ci", "a")
    assert state.job_names("ci") == ["b", "unfinished"]


CHANGE = """
import sys
from pathlib import Path
from fairlead.local.state import State
state = State(Path(sys.argv[1]))
def add(document):
    return {**document, "spec": {"count": document["spec"].get("count", 0) + 1}}
for index in range(int(sys.argv[2])):
    state.change("ci", add)
    state.create({"metadata": {"generateName": "x-"}, "spec": {}})
"""


def test_two_processes(state: State) -> None:
    """Two processes that write at once lose nothing of each other's, and no version is given twice."""
    state.create(a_document())
    for process in [python(CHANGE, state.folder, 25) for _ in range(2)]:
        with process:
            assert process.wait() == 0
    documents = [state.read(name) for name in state.names()]
    versions = {document["metadata"]["resourceVersion"] for document in documents if document is not None}
    counted = state.read("ci")
    assert counted is not None
    assert (counted["spec"], state.version(), len(documents), len(versions)) == ({"count": 50}, 101, 51, 51)


def test_alone(state: State) -> None:
    """Whoever decides on what is recorded can be sure that it stays so until the decision is, too."""
    state.create(a_document())
    with state.alone():
        other = python(CHANGE, state.folder, 1)
        state.change("ci", touched)
        inside = state.version()
    with other:
        assert other.wait() == 0
    assert (inside, state.version()) == (2, 4)


OWN = """
import sys, time
from pathlib import Path
from fairlead.local.state import State
with State(Path(sys.argv[1])).own("ci") as owned:
    print(owned, flush=True)
    time.sleep(60)
"""


def test_owner_that_is_killed(state: State) -> None:
    """A Workflow is one process's, until that ends, however it does."""
    state.create(a_document())
    with python(OWN, state.folder) as other:
        assert other.stdout is not None
        said = other.stdout.readline()
        with state.own("ci") as owned:
            meanwhile = (owned, state.is_owned("ci"))
        os.kill(other.pid, signal.SIGKILL)
    with state.own("ci") as owned:
        at_last = (owned, state.is_owned("ci"))
    assert (said, meanwhile, at_last, state.is_owned("ci")) == ("True\n", (False, True), (True, True), False)


LOOK = """
import sys
from pathlib import Path
from fairlead.local.state import State
state = State(Path(sys.argv[1]))
print(flush=True)
while True:
    state.is_owned("ci")
"""


def test_who_looks_is_in_nobodys_way(state: State) -> None:
    """Whoever only asks for the owner doesn't keep anybody from becoming it."""
    state.create(a_document())
    with python(LOOK, state.folder) as other:
        assert other.stdout is not None
        other.stdout.readline()
        refused = 0
        for _ in range(300):
            with state.own("ci") as owned:
                refused += not owned
        other.kill()
    assert refused == 0


def test_sweeping(state: State) -> None:
    """One process at a time deletes what a dead one left."""
    state.create(a_document())
    with state.sweeping("ci") as first, state.sweeping("ci") as second:
        assert (first, second) == (True, False)
