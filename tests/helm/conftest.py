from __future__ import annotations

import pytest

from scripts.render_manifests import CHART, HelmNotFoundError, find_helm
from tests.helm.rendering import Chart, Objects


@pytest.fixture(scope="session")
def chart() -> Chart:
    """Give the chart, with a helm to render it."""
    try:
        return Chart(helm=find_helm(), folder=CHART)
    except HelmNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def default(chart: Chart) -> Objects:
    """Give the chart as it is rendered without any value set."""
    return chart.render()
