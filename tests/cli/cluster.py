"""A cluster for commands: a server in a thread of its own, as they bring their own event loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from click.testing import CliRunner

from fairlead.cli.main import main
from tests.builders import KEY
from tests.kube.apiserver import ApiServer
from tests.kube.documents import workflow_document

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from pathlib import Path

    from click.testing import Result

    from fairlead.model.status import WorkflowStatus

T = TypeVar("T")

API = "/apis/fairlead.dev/v1alpha1"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The server, and what a command has to know to find it."""

    server: ApiServer
    loop: asyncio.AbstractEventLoop
    environment: Mapping[str, str | None]

    def run(self, *arguments: str, name: str | None = None, env: Mapping[str, str] | None = None) -> Result:
        """Run a command; `name` is what the program is called."""
        return CliRunner().invoke(main, arguments, env={**self.environment, **(env or {})}, prog_name=name)

    def put(self, name: str, status: WorkflowStatus, spec: Mapping[str, Any] | None = None, **metadata: Any) -> None:  # noqa: ANN401  the metadata's own
        """Have a Workflow."""
        document = {**workflow_document(spec, name=name, **metadata), "status": status.to_json()}
        self.do(lambda: self.server.put(API, "workflows", document))

    def do(self, change: Callable[[], T]) -> T:
        """Do something to the server in its own thread."""

        async def done() -> T:
            return change()

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(10)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin something beside the commands."""
        asyncio.run_coroutine_threadsafe(work, self.loop)


@contextmanager
def open_cluster(folder: Path) -> Iterator[Cluster]:
    """Have a cluster, a kubeconfig for it, and an empty home."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ApiServer()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        path = folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": server.connection.server}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "me", "namespace": KEY.namespace}}],
        }
        path.write_text(yaml.safe_dump(config))
        environment = {
            "KUBECONFIG": str(path),
            "KUBERNETES_SERVICE_HOST": None,
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
        }
        yield Cluster(server, loop, environment)
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
