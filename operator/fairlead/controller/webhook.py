"""The server of the admission webhook: takes reviews of every size and depth that the API server has.

kopf's own refuses what is over 1 MiB, and a review has an object twice: as it was and as it shall be. It fails on what
is deeper than Python's parser goes.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import kopf
import orjson
from aiohttp import web

from fairlead.kube.jsontext import read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_MOST_BYTES: Final = 8 * 2**20
"""Of a review: the API server takes requests of 3 MiB, and etcd objects of half of that."""

_LOOKS: Final = 60.0
"""Seconds after which the certificate is read again: a mounted Secret tells nobody that it was renewed."""


DRAIN: Final = 5.0
"""Seconds after a signal in which reviews are answered: the API server, and what forwards to Services, hear late that a
Pod is about to end. With what else the end takes it has to fit into the Pod's grace period."""

_LAST_ANSWERS: Final = 3.0
"""Seconds that reviews have at the end which were begun."""


@dataclass(frozen=True, slots=True)
class WebhookServer:
    """Implements kopf's `WebhookServerProtocol`: gives the clients' configuration, which the chart has anyhow."""

    port: int
    certificate: Path
    key: Path
    address: str = "0.0.0.0"  # noqa: S104  in a Pod: the Service has to reach it
    looks: float = _LOOKS

    async def __call__(self, answer: kopf.WebhookFn) -> AsyncIterator[kopf.WebhookClientConfig]:
        """Serve until it is closed; with the new certificate, once that is renewed."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        runner = web.AppRunner(build_app(answer), handle_signals=False, access_log=None, shutdown_timeout=_LAST_ANSWERS)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.address, self.port, ssl_context=context).start()
            yield kopf.WebhookClientConfig(url=f"https://{self.address}:{self.port}")
            while True:
                await asyncio.sleep(self.looks)
                # One file may be older than the other for a moment; the next look sees them as a pair.
                with suppress(OSError, ssl.SSLError):
                    context.load_cert_chain(self.certificate, self.key)
        finally:
            await runner.cleanup()


def build_app(answer: kopf.WebhookFn) -> web.Application:
    """Answer reviews at the paths that are handlers' ids; 400 for what is none."""

    async def review(request: web.Request) -> web.Response:
        try:
            document = read_json(await request.read())
            reply = await answer(document, webhook=request.match_info["id"], headers=dict(request.headers))
        except web.HTTPException:
            raise
        except Exception as error:
            # What is wrong with an object is a part of kopf's answer; this is no review, and comes from nobody we know.
            raise web.HTTPBadRequest(text=f"not an AdmissionReview: {error!r}") from error
        return web.Response(body=orjson.dumps(reply), content_type="application/json")

    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_post("/{id:.*}", review)
    return app
