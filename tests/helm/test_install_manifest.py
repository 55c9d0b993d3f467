from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from scripts.render_manifests import ROOT, install_manifest
from tests.helm.rendering import Objects

if TYPE_CHECKING:
    from tests.helm.rendering import Chart

MANIFEST = ROOT / "manifests" / "install.yaml"


@pytest.fixture(scope="module")
def installed() -> Objects:
    """Give the objects of the committed manifest."""
    return Objects(list(yaml.safe_load_all(MANIFEST.read_text())))


def test_the_manifest_is_what_the_chart_gives(chart: Chart) -> None:
    """manifests/install.yaml is up to date (else: scripts/render_manifests.py), and deterministic."""
    assert install_manifest(chart.helm) == MANIFEST.read_text()


def test_the_manifest_brings_a_restricted_namespace_first(installed: Objects) -> None:
    """The namespace comes before what is put into it, and enforces the restricted standard."""
    first = installed.all[0]

    assert (first["kind"], first["metadata"]["name"]) == ("Namespace", "fairlead-system")
    assert first["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {found["metadata"].get("namespace", "fairlead-system") for found in installed.all} == {"fairlead-system"}


def test_the_manifest_holds_no_secret_and_nothing_of_helms(installed: Objects) -> None:
    """Admission needs a certificate of one's own, so a shared file goes without; labels don't claim helm."""
    assert dict(installed.kinds()) == {
        "Namespace": 1,
        "ServiceAccount": 1,
        "CustomResourceDefinition": 2,
        "ClusterRole": 3,
        "ClusterRoleBinding": 1,
        "Role": 1,
        "RoleBinding": 1,
        "PodDisruptionBudget": 1,
        "Service": 1,
        "Deployment": 1,
    }
    assert "helm.sh/" not in MANIFEST.read_text()
    assert "managed-by" not in MANIFEST.read_text()
