#!/usr/bin/env python3
"""Render manifests/install.yaml from the chart, and bring the chart's copy of the CRDs up to date.

Run it after a change of the chart or of crds/; the result depends on nothing else. `--check` writes
nothing and ends with 1 when a file would change. It needs helm: $HELM, or helm on the PATH, or the
one that e2e/cluster builds into its cache.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "fairlead"
NAMESPACE = "fairlead-system"

HEAD = f"""\
# Fairlead, for `kubectl apply --server-side -f`: the CRDs, the operator and its role.
#
# Generated from helm/fairlead by scripts/render_manifests.py; don't edit it. The chart can do more:
# above all admission, which refuses a wrong workflow when it is applied. That needs a certificate,
# and a file that everybody shares can't hold one. Here the same message is in the workflow's status.
---
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    app.kubernetes.io/name: fairlead
    app.kubernetes.io/instance: fairlead
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/audit: restricted
    pod-security.kubernetes.io/warn: restricted
"""

# The objects aren't helm's once kubectl has applied them.
HELM_LABELS = re.compile(r"^ +(app\.kubernetes\.io/managed-by: Helm|helm\.sh/chart: \S+)\n", re.MULTILINE)


class HelmNotFoundError(Exception):
    """No helm to render with."""

    def __str__(self) -> str:
        """Say where it was looked for."""
        return "no helm: set HELM, put it on the PATH, or run `e2e/cluster` once, which builds it"


def find_helm() -> Path:
    """Return the helm to use. Raises HelmNotFoundError."""
    named = os.environ.get("HELM") or shutil.which("helm")
    if named:
        return Path(named)
    # As e2e/testcluster/settings.py has it; the newest where several versions were built.
    xdg = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("FAIRLEAD_CACHE") or xdg / "fairlead")
    built = sorted(cache.glob("bin/helm-*/helm"), key=lambda path: path.stat().st_mtime)
    if not built:
        raise HelmNotFoundError
    return built[-1]


def copies_of_crds() -> dict[Path, str]:
    """Return what the chart's copies of crds/*.yaml have to be."""
    return {CHART / "files" / "crds" / crd.name: crd.read_text() for crd in sorted(ROOT.glob("crds/*.yaml"))}


def install_manifest(helm: Path) -> str:
    """Return what manifests/install.yaml has to be, with the chart's CRDs as they are on disk."""
    # Every value that matters is pinned: the oldest Kubernetes that the chart takes, no admission (see
    # HEAD), and no annotation for helm's own uninstall.
    command = [
        str(helm), "template", "fairlead", str(CHART),
        "--namespace", NAMESPACE,
        "--kube-version", "1.29.0",
        "--set", "webhook.enabled=false,crds.keep=false",
    ]  # fmt: skip
    rendered = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - no shell, no input
    documents = re.split(r"^---\n", HELM_LABELS.sub("", rendered), flags=re.MULTILINE)
    return "---\n".join([HEAD, *(f"{document.strip()}\n" for document in documents if document.strip())])


def bring_up_to_date(files: dict[Path, str], *, check: bool) -> list[Path]:
    """Write the files that differ, or with `check` only find them; return their paths."""
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")  # noqa: T201 - its output
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    return stale


def main() -> int:
    """Return the exit code: 1 for a stale file with --check, 2 without helm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    check: bool = parser.parse_args().check
    try:
        helm = find_helm()
    except HelmNotFoundError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    # The CRDs first, as the manifest is rendered with the chart's copy.
    stale = bring_up_to_date(copies_of_crds(), check=check)
    stale += bring_up_to_date({ROOT / "manifests" / "install.yaml": install_manifest(helm)}, check=check)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
