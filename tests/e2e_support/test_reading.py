"""How tests read objects past the kubectl program: the same answers, for less."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from e2e.support.kubectl import Kubectl, KubectlError
from e2e.support.raw import RawApi

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = "/apis/batch/v1/namespaces/ours/jobs"
ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    f"{JOBS}/one": (200, {"kind": "Job", "metadata": {"name": "one"}}),
    f"{JOBS}?labelSelector=a%3Db": (
        200,
        {"apiVersion": "batch/v1", "kind": "JobList", "items": [{"metadata": {"name": "one"}}]},
    ),
    f"{JOBS}/two": (404, {"message": 'jobs.batch "two" not found', "details": {"name": "two"}}),
    f"{JOBS}/busy": (503, {"message": "not now"}),
}


class Server(BaseHTTPRequestHandler):
    """An API server that knows some answers, and else nothing of the resource."""

    def do_GET(self) -> None:
        """Answer one request."""
        code, document = ANSWERS.get(self.path, (404, {}))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    """Have one that finds no kubectl program."""
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Kubectl({"PATH": ""}, "ours", RawApi(server.server_port))
        server.shutdown()
        thread.join()


def test_an_object_is_given_as_it_is(kubectl: Kubectl) -> None:
    """One that isn't there is None."""
    assert (kubectl.get("jobs", "one"), kubectl.get("jobs", "two")) == (ANSWERS[f"{JOBS}/one"][1], None)


def test_the_items_of_a_list_say_what_they_are(kubectl: Kubectl) -> None:
    """As those of the kubectl program do."""
    assert kubectl.items("jobs", "a=b") == [{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "one"}}]


@pytest.mark.parametrize(("name", "code", "said"), [("busy", 503, "not now"), ("three", 404, "")])
def test_a_refusal_is_an_error(kubectl: Kubectl, name: str, code: int, said: str) -> None:
    """With its code and what was said; a server that doesn't know the resource yet says nothing of the object."""
    with pytest.raises(KubectlError) as raised:
        kubectl.get("jobs", name)
    assert (raised.value.code, raised.value.said) == (code, said)
