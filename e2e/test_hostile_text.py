"""Text that wants to get out of its place, in each field of a workflow that takes one, through all of the program.

One field at a time holds it. The workflow is linted, drawn, run in processes, and shown: nothing of the text may be
carried out, and nothing reach the terminal that it would obey. Scripts are meant for the shell and stay as they are;
what `${{ }}` puts into them is the author's care, which the lint rule `script-injection` takes.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner

from e2e.support.calm import calm
from e2e.support.raw import GROUP
from e2e.support.sandbox import ENDED
from fairlead.cli.main import main

if TYPE_CHECKING:
    from e2e.support.installation import Installation
    from e2e.support.raw import RawApi
    from e2e.support.sandbox import Sandbox

Json = dict[str, Any]
Place = tuple[str | int, ...]

HEAD: Final[Json] = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "Workflow"}
SHOWN: Final = """printf '%s\\n' "$A" "$B" "$C" "$D" "$X"; echo "o=$D" >> "$FAIRLEAD_OUTPUT" """
SPEC: Final[Json] = {
    "inputs": {"who": "world"},
    "env": {"A": "a", "B": "${{ inputs.who }}", "K": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
    "secretsFrom": "s",
    "varsFrom": "v",
    "defaults": {"image": "any", "shell": "sh", "workingDirectory": "."},
    "concurrency": {"group": "g ${{ inputs.who }}", "cancelInProgress": False},
    "outputs": {"o": "${{ jobs.a.outputs.o }}", "p": "p"},
    "schedules": [],
    "jobs": {
        "a": {
            "name": "the first",
            "if": "inputs.who != ''",
            "image": "any",
            "shell": "sh",
            "workingDirectory": ".",
            "env": {"C": "c"},
            "concurrency": {"group": "h"},
            "steps": [
                {
                    "id": "s",
                    "name": "a step",
                    "if": "success()",
                    "run": SHOWN,
                    "shell": "sh -e {0}",
                    "workingDirectory": ".",
                    "env": {"D": "d"},
                },
                {"name": "late ${{ steps.s.outputs.o }}", "run": "true", "env": {"E": "${{ steps.s.outputs.o }}"}},
            ],
            "outputs": {"o": "${{ steps.s.outputs.o }}"},
            "nodeSelector": {"disk": "fast"},
            "serviceAccountName": "builder",
            "resources": {"requests": {"cpu": "1"}},
            "podTemplate": {"metadata": {"annotations": {"note": "n"}}},
        },
        "m": {
            "name": "many ${{ matrix.x }}",
            "needs": ["a"],
            "strategy": {"matrix": {"x": ["one", "two"], "include": [{"x": "three"}]}},
            "env": {"X": "${{ matrix.x }}", "O": "${{ needs.a.outputs.o }}"},
            "commands": [SHOWN],
        },
        "c": {"needs": ["a"], "check": "needs.a.outputs.o != 'nothing'"},
    },
}
SCRIPTS: Final = re.compile(r"jobs/\w/(steps/\d/run|commands/\d)")


def _places(document: Any, path: Place = ()) -> list[Place]:  # noqa: ANN401  a JSON document
    if isinstance(document, str):
        return [path]
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    return [place for key in keys for place in _places(document[key], (*path, key))]


FIELDS: Final = {"/".join(map(str, place)): place for place in _places(SPEC)}
PLACES: Final = {name: place for name, place in FIELDS.items() if not SCRIPTS.fullmatch(name)}

CANARY: Final = "CANARY"
TEXTS: Final = {
    "shell": "$(touch CANARY)`touch CANARY`'; touch CANARY; '\"; touch CANARY; \"|touch CANARY&$(CANARY) {0} %s \\",
    "markup": '<script>x</script>]]></text><!--"><img onerror=x> %%{init: x}%% click a "javascript:x" [bold]x[/bold]',
    "expression": "${{ '$' }}{{ inputs.who }} {{ $x }} ${{ format('{0}', 'touch CANARY') }}",
    "lines": "a\ntouch CANARY\n::add-mask::a\n::endgroup::\n::error::x\nend 0\n",
    "terminal": "\x1b[2J\x1b]52;c;YQ==\x07\x1b]8;;http://x\x1b\\x\x1b]0;t\x07\x9b31m\r\u202eabc\u2066\u2028\x08\x7f",
    "letters": "e\u0301" * 40 + "\u200b\u0430\U0001f4a5\ufeff\u05d0\u0627",
}
QUIET: Final = (TEXTS["markup"], TEXTS["letters"])
"""Those that only what is drawn and said could take for more than letters."""

_OBEYED: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _with(place: Place, text: str) -> Json:
    spec = copy.deepcopy(SPEC)
    at: Any = spec
    for part in place[:-1]:
        at = at[part]
    at[place[-1]] = text
    return spec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, with a home of one's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


def call(*arguments: str) -> str:
    """Call the program, and give what it says; nothing of that may be obeyed by a terminal."""
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert _OBEYED.findall(result.output) == [], result.output
    return result.output


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_hostile_text_stays_in_its_place(folder: Path, place: Place, text: str) -> None:
    """It is refused with a message, or is a text like any other from the file to the status and the log."""
    document = {**HEAD, "metadata": {"name": "ci"}, "spec": _with(place, text)}
    Path("ci.yaml").write_text(yaml.safe_dump(document))
    call("lint", "ci.yaml")
    call("plan", "ci.yaml")
    for kind in ("text", "mermaid", "dot"):
        call("graph", "ci.yaml", "-o", kind)
    svg = call("graph", "ci.yaml", "-o", "svg")
    if svg.startswith("<svg"):
        assert {each.tag.rpartition("}")[2] for each in ET.fromstring(svg).iter()} <= DRAWN  # noqa: S314  our own
    if text not in QUIET:
        call("run", "--engine", "host", "ci.yaml")
        call("list")
        call("status", "ci")
    assert [str(path) for path in folder.rglob(f"*{CANARY}*")] == []


DRAWN: Final = {"svg", "style", "title", "g", "rect", "path", "text", "tspan", "defs", "marker", "line", "polygon", "a"}
"""The elements that a drawing may have."""


# On a cluster

ON_A_CLUSTER: Final = (
    *("inputs/who", "env/A", "concurrency/group", "outputs/p", "jobs/a/name", "jobs/a/env/C"),
    "jobs/a/steps/0/name",
    "jobs/a/steps/0/env/D",
    "jobs/m/strategy/matrix/x/0",
    "jobs/a/podTemplate/metadata/annotations/note",
)
ELSEWHERE: Final = ("nodeSelector", "serviceAccountName")
"""What the cluster of a test doesn't have."""

_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def _everywhere(text: str) -> Json:
    """Give the workflow with a text in all these places, and a last step that fails where something was carried out."""
    spec = copy.deepcopy(SPEC)
    # A name is one line, and one that isn't is refused.
    for name in (each for each in ON_A_CLUSTER if text.isprintable() or not each.endswith("/name")):
        at: Any = spec
        for part in PLACES[name][:-1]:
            at = at[part]
        at[PLACES[name][-1]] = text
    spec["defaults"]["image"] = spec["jobs"]["a"]["image"] = "busybox:1.35"
    spec["jobs"]["a"] = {name: value for name, value in spec["jobs"]["a"].items() if name not in ELSEWHERE}
    spec["jobs"]["a"]["steps"].append({"run": f"! find / -xdev -name '{CANARY}*' 2>/dev/null | grep ."})
    return spec


def _shown(status: Json) -> list[str]:
    """Give the texts of a status, but for outputs, which are what they are."""
    found: list[str] = []

    def collect(value: object) -> None:
        match value:
            case str():
                found.append(value)
            case dict():
                for key, each in value.items():
                    found.append(key)
                    if key != "outputs":
                        collect(each)
            case list():
                for each in value:
                    collect(each)
            case _:
                pass

    collect(status)
    return found


def test_hostile_text_on_a_cluster(sandbox: Sandbox, installation: Installation, raw: RawApi) -> None:
    """It comes out as it went in, in its job's log alone; status, Events, labels and the operator's log are sound."""
    with calm(installation):
        for name, text in TEXTS.items():
            metadata = {"name": name, "annotations": {"fairlead.dev/ref": text, "fairlead.dev/cancel": text}}
            path = f"{GROUP}/namespaces/{sandbox.namespace}/workflows"
            answer = raw.ask("POST", path, {**HEAD, "metadata": metadata, "spec": _everywhere(text)})
            assert answer.ok, answer.message
        for name, text in TEXTS.items():
            status = sandbox.wait_until(name, "its end", lambda status: status.get("phase") in ENDED, seconds=90)
            # A text of several lines is no output, so its job fails.
            assert status["phase"] == ("Failed" if "\n" in text else "Succeeded"), status["message"]
            assert [each for each in _shown(status) if not each.isprintable()] == []
            assert [each for _, _, each in sandbox.events(name) if not each.isprintable()] == []
            for each in (*sandbox.jobs(name), *sandbox.pods(name)):
                labels = each["metadata"]["labels"]
                assert [value for value in labels.values() if not _LABEL.fullmatch(value)] == []
        shell = sandbox.status("shell")
        assert shell["jobs"]["a"]["outputs"]["o"] == TEXTS["shell"].strip()
        assert TEXTS["shell"] in sandbox.log(shell["jobs"]["a"])
        assert _OBEYED.findall(sandbox.kubectl.run("get", "fwf", "-o", "wide").replace("\n", "")) == []
