"""How long the admission webhook takes, asked by several at once while the operator has work to do."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from typing import TYPE_CHECKING

import aiohttp

from bench import shapes
from bench.hop import quantile
from bench.process import Operator
from bench.running import apply
from bench.stage import say

if TYPE_CHECKING:
    from pathlib import Path

    from bench.shapes import Json
    from bench.stage import Stage

_PORT = 18_443
_CLIENTS = 4
_PAUSE = 0.05
_SECONDS_A_WORKFLOW = 2.0


async def measure(stage: Stage, workflows: int) -> Json:
    """Run one-job workflows, and meanwhile have four clients ask, each twenty times a second at most."""
    say(f"admission: reviews while {workflows} Workflows run")
    certificate, key = await asyncio.to_thread(_certificate, stage.folder)
    options = [f"--webhook-port={_PORT}", f"--webhook-certificate={certificate}", f"--webhook-key={key}"]
    async with stage.namespace("admission") as observer:
        operator = Operator(observer.namespace, stage.folder / "operator.log", options=options)
        operator.start()
        try:
            await asyncio.to_thread(operator.wait_until_ready)
            documents = [
                shapes.document(f"load-{index:04}", shapes.chain(1), extra=shapes.ON_FAKE_NODES)
                for index in range(workflows)
            ]
            took: list[float] = []
            asking = [asyncio.create_task(_ask(took)) for _ in range(_CLIENTS)]
            await apply(observer, documents)
            size = len(documents)
            patience = max(60.0, size * _SECONDS_A_WORKFLOW)
            await observer.until("their end", lambda seen: len(seen.ended) >= size, patience)
            for task in asking:
                task.cancel()
            done = await asyncio.gather(*asking, return_exceptions=True)
            for each in done:
                if isinstance(each, Exception):
                    raise each
            metrics = operator.metrics()
        finally:
            operator.stop()
    took.sort()
    return {
        "workflows": workflows,
        "reviews": len(took),
        "medianMs": round(1000 * quantile(took, 0.5), 1),
        "p99Ms": round(1000 * quantile(took, 0.99), 1),
        "loopLagP99Ms": lag_p99(metrics),
    }


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "webhook.crt", folder / "webhook.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


async def _ask(took: list[float]) -> None:
    """Ask until cancelled. Raises RuntimeError where what is right isn't allowed."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    document = {
        **shapes.document("asked", shapes.layered(30)),
        "metadata": {"name": "asked", "namespace": "default", "uid": "1"},
    }
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "fairlead.dev", "version": "v1alpha1", "kind": "Workflow"},
            "resource": {"group": "fairlead.dev", "version": "v1alpha1", "resource": "workflows"},
            "requestKind": {"group": "fairlead.dev", "version": "v1alpha1", "kind": "Workflow"},
            "requestResource": {"group": "fairlead.dev", "version": "v1alpha1", "resource": "workflows"},
            "name": "asked",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "bench", "uid": "bench", "groups": []},
            "object": document,
            "oldObject": None,
            "options": {},
            "dryRun": False,
        },
    }
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=unverified)) as session:
        while True:
            start = time.perf_counter()
            async with session.post(f"https://127.0.0.1:{_PORT}/validate", json=review) as answer:
                said = await answer.json()
            took.append(time.perf_counter() - start)
            if not said["response"]["allowed"]:
                raise RuntimeError(f"a right Workflow was refused: {said}")
            await asyncio.sleep(_PAUSE)


def lag_p99(metrics: str) -> float | None:
    """Read from /metrics within which bucket of the loop's lag 99 of 100 measurements lie; milliseconds."""
    buckets: list[tuple[float, float]] = []
    for line in metrics.splitlines():
        if line.startswith("fairlead_loop_lag_seconds_bucket"):
            bound = line.partition('le="')[2].partition('"')[0]
            buckets.append((float(bound.replace("+Inf", "inf")), float(line.rpartition(" ")[2])))
    if not buckets or not buckets[-1][1]:
        return None
    within = next(most for most, count in buckets if count >= 0.99 * buckets[-1][1])
    return round(1000 * within, 1) if within != float("inf") else None
