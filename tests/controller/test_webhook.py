from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from fairlead.controller.webhook import build_app

if TYPE_CHECKING:
    import kopf

Reviews = list[tuple[Any, str | None]]


async def post(body: bytes, reviews: Reviews) -> tuple[int, str]:
    """Post something to a server that lets everything through, and takes note of it."""

    async def answer(request: Any, *, webhook: str | None = None, **_: object) -> Any:  # noqa: ANN401  JSON documents
        reviews.append((request["request"], webhook))
        return {"response": {"uid": request["request"]["uid"], "allowed": True}}

    function: kopf.WebhookFn = answer
    async with (
        TestClient(TestServer(build_app(function))) as client,
        client.post("/validate", data=BytesIO(body)) as response,
    ):
        return response.status, await response.text()


async def test_a_review_is_answered() -> None:
    """A review goes to the handler that its path names, and the answer back."""
    reviews: Reviews = []
    answer = await post(b'{"request": {"uid": "u"}}', reviews)
    assert (answer, reviews) == (
        (200, '{"response":{"uid":"u","allowed":true}}'),
        [({"uid": "u"}, "validate")],
    )


async def test_a_large_review_is_answered() -> None:
    """A review has an object twice, as it was and as it is to be, each of up to the 1.5 MiB that are stored."""
    reviews: Reviews = []
    half = "x" * (3 * 2**19)
    code, _ = await post(json.dumps({"request": {"uid": "u", "object": half, "oldObject": half}}).encode(), reviews)
    assert (code, len(reviews)) == (200, 1)


async def test_a_deep_review_is_answered() -> None:
    """However deep an object is, it is reviewed."""
    reviews: Reviews = []
    code, _ = await post(b'{"request": {"uid": "u", "object": %b}}' % (b"[" * 9900 + b"]" * 9900), reviews)
    assert (code, len(reviews)) == (200, 1)


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"request": null}', b'{"request": {}}'])
async def test_what_is_no_review_is_refused(body: bytes) -> None:
    """Anybody in the cluster can reach the port; what isn't a review is refused, and nothing of it is logged."""
    code, said = await post(body, [])
    assert (code, said.startswith("not an AdmissionReview: ")) == (400, True)
