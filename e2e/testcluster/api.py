"""The few requests that bringing a cluster up needs, with the certificates it just made."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from e2e.testcluster.certificates import API_PORT
from e2e.testcluster.network import NODE_ADDRESS

if TYPE_CHECKING:
    from e2e.testcluster.settings import Settings

TIMEOUT = 5.0


@dataclass(frozen=True)
class Answer:
    """`status` is 0 when nobody answered; `body` is then the reason."""

    status: int
    body: str

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked for."""
        return 200 <= self.status < 300

    def json(self) -> Any:  # noqa: ANN401 -- an object of Kubernetes, of which a field or two are read
        """Parse the body; raises ValueError for one that is no JSON."""
        return json.loads(self.body)


def request(settings: Settings, method: str, path: str, body: object = None) -> Answer:
    """One request as the admin. Never raises for a server that is not there (yet)."""
    pki = settings.state / "pki"
    try:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connection = http.client.HTTPSConnection(NODE_ADDRESS, API_PORT, context=context, timeout=TIMEOUT)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode(errors="replace"))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as unreachable:
        return Answer(0, str(unreachable))


def get(settings: Settings, path: str) -> Answer:
    """`request` for the usual case."""
    return request(settings, "GET", path)


def is_ready(node: Any) -> bool:  # noqa: ANN401 -- a Node as the server sent it
    """Whether a Node says of itself that it is Ready, and Pods may be put there."""
    conditions = node.get("status", {}).get("conditions", [])
    blocked = any(taint["key"].startswith("node.kubernetes.io/") for taint in node["spec"].get("taints", []))
    return not blocked and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )
