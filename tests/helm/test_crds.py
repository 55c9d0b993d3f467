from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from scripts.render_manifests import CHART, copies_of_crds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helm.rendering import Chart, Object, Objects

CRD = "CustomResourceDefinition"
WORKFLOWS = "workflows.fairlead.dev"
PLURALS = ("workflows", "workflowtemplates")


@pytest.fixture
def workflows() -> Object:
    """Give the chart's copy of the CRD of Workflows."""
    crd: Object = yaml.safe_load((CHART / "files" / "crds" / "workflows.yaml").read_text())
    return crd


@pytest.fixture
def copied_chart(chart: Chart, tmp_path: Path) -> Chart:
    """Give a copy of the chart whose files a test may change."""
    folder = tmp_path / "fairlead"
    shutil.copytree(chart.folder, folder)
    return replace(chart, folder=folder)


def test_the_charts_crds_are_the_projects() -> None:
    """The chart's copies are up to date with crds/ (else: scripts/render_manifests.py)."""
    expected = copies_of_crds()

    assert {path: path.read_text() for path in expected if path.exists()} == expected


def test_the_crds_are_installed_unchanged(default: Objects) -> None:
    """Helm's way through JSON loses nothing of a CRD: no key, no number, no text."""
    copies = {plural: yaml.safe_load((CHART / "files" / "crds" / f"{plural}.yaml").read_text()) for plural in PLURALS}

    assert {found["metadata"]["name"]: found["spec"] for found in default.of_kind(CRD)} == {
        f"{plural}.fairlead.dev": copy["spec"] for plural, copy in copies.items()
    }


def test_the_crds_outlive_the_release_unless_told(chart: Chart, default: Objects) -> None:
    """crds.keep asks helm to leave the CRDs, and with them everybody's workflows, on uninstall."""
    kept = [found["metadata"]["annotations"]["helm.sh/resource-policy"] for found in default.of_kind(CRD)]
    thrown = [
        "helm.sh/resource-policy" in found["metadata"].get("annotations", {})
        for found in chart.render({"crds": {"keep": False}}).of_kind(CRD)
    ]

    assert (kept, thrown) == (["keep", "keep"], [False, False])


def test_the_crds_can_be_left_to_someone_else(chart: Chart) -> None:
    """crds.install=false renders none."""
    assert not chart.render({"crds": {"install": False}}).of_kind(CRD)


def test_a_crds_own_metadata_and_text_survive(copied_chart: Chart, workflows: Object) -> None:
    """Annotations and labels are merged, and what looks like a template in a description is not one."""
    workflows["metadata"]["annotations"] = {"controller": "generated"}
    workflows["metadata"]["labels"] = {"own": "label"}
    schema = workflows["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["description"] = 'takes ${{ inputs.x }} and {{ .Values.no }},\nin "quotes"\n'
    schema["properties"]["tested"] = {"type": "integer", "maximum": 2147483647, "enum": [1048576, 10000000]}
    (copied_chart.folder / "files" / "crds" / "workflows.yaml").write_text(yaml.safe_dump(workflows))

    rendered = copied_chart.render().the(CRD, WORKFLOWS)

    assert rendered["spec"] == workflows["spec"]
    assert rendered["metadata"]["annotations"] == {
        "controller": "generated",
        "helm.sh/resource-policy": "keep",
    }
    assert {"own": "label", "app.kubernetes.io/instance": "fairlead"}.items() <= rendered["metadata"]["labels"].items()
