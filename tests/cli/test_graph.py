from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner

from fairlead.cli.main import main

if TYPE_CHECKING:
    from click.testing import Result

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
HEAD = "apiVersion: fairlead.dev/v1alpha1\nkind: Workflow\nmetadata: {name: ci}\n"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with files."""
    monkeypatch.chdir(tmp_path)
    jobs = {
        f"job{index}": {"check": "1", "needs": [f"job{index // 2 - 1}"] if index > 1 else []} for index in range(500)
    }
    large = {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "ci"},
        "spec": {"jobs": jobs},
    }
    Path("large.yaml").write_text(yaml.safe_dump(large))
    Path("cycle.yaml").write_text(
        f"{HEAD}spec:\n  jobs:\n    a: {{needs: b, check: '1'}}\n    b: {{needs: a, check: '1'}}\n"
    )
    Path("broken.yaml").write_text("a: b: c\n")


def run(*arguments: str) -> Result:
    """Run `fairlead graph`."""
    return CliRunner().invoke(main, ["graph", *arguments])


def test_pipe() -> None:
    """In a pipe the lines are ASCII."""
    result = run(str(EXAMPLES / "ci.yaml"))
    assert (result.exit_code, result.output) == (
        0,
        """\
source -+--- test ----+--- report
        +--- package -+
""",
    )


@pytest.mark.parametrize("form", ["text", "mermaid", "svg", "dot"])
@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples(example: Path, form: str) -> None:
    """Every example is drawn in every form, with each of its jobs."""
    result = run(str(example), "-o", form)
    found = [each for each in yaml.safe_load_all(example.read_text()) if each["kind"] == "Workflow"]
    missing = [job for each in found for job in each["spec"]["jobs"] if job not in result.output]
    assert (result.exit_code, missing) == (0, [])


def test_svg() -> None:
    """SVG is XML by itself."""
    root = ET.fromstring(run(str(EXAMPLES / "ci.yaml"), "-o", "svg").output)  # noqa: S314  our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("form", ["text", "svg"])
def test_large(form: str) -> None:
    """Five hundred jobs are drawn in a moment."""
    start = time.monotonic()
    result = run("large.yaml", "-o", form)
    assert (result.exit_code, time.monotonic() - start < 5) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["cycle.yaml"], 1, "1 error in 1 file"),
        (["broken.yaml"], 2, "not YAML"),
        (["missing.yaml"], 2, "no such file"),
        (["."], 2, "is a directory"),
        (["large.yaml", "-o", "png"], 2, "'png' is not one of"),
    ],
)
def test_codes(arguments: list[str], code: int, said: str) -> None:
    """What can't be drawn is told in a line."""
    result = run(*arguments)
    *_, last = result.output.splitlines()
    assert (result.exit_code, said in last, "Traceback" in result.output) == (code, True, False), result.output
