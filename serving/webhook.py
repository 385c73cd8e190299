"""MLflow's webhook: its server says that an alias moved, and the registry is asked at once.

POST /registry_changed is for the events ``model_version_alias`` of MLflow's server, signed with
OJALA_WEBHOOK_SECRET as MLflow signs: HMAC-SHA256 of "ID.TIMESTAMP.BODY" (mlflow.webhooks.delivery).
Nothing that it says is believed: where the alias is, only the registry tells.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import os
import time

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from serving import access, bodies

MOST_BYTES = 2**16
"""Of what MLflow says: some hundred bytes."""

PATIENCE = 300.0
"""Seconds by which the clocks of both machines, and the way, may differ; later, it is a replay."""


async def heard(scope: Scope, receive: Receive) -> None:
    """Let through what MLflow has signed just now.

    Raises Refused where none is expected, and RefusedBody as ``check`` and ``bodies.stored``.
    """
    if scope["method"] != "POST":
        raise access.Refused(405, "Method Not Allowed")
    secret = os.environ.get("OJALA_WEBHOOK_SECRET", "")
    if not secret:
        raise access.Refused(404, "no webhook is expected: OJALA_WEBHOOK_SECRET is not set")
    body = io.BytesIO()
    await bodies.stored(scope, receive, body, MOST_BYTES)
    check(secret, Headers(scope=scope), body.getvalue())


def check(secret: str, headers: Headers, body: bytes) -> None:
    """Raise RefusedBody where a message is not signed with the secret, or not of now."""
    number, sent = headers.get("X-MLflow-Delivery-Id", ""), headers.get("X-MLflow-Timestamp", "")
    shown = headers.get("X-MLflow-Signature", "").encode()
    if not hmac.compare_digest(shown, signature(secret, number, sent, body).encode()):
        told = "the webhook is not signed with OJALA_WEBHOOK_SECRET"
        raise bodies.RefusedBody(401, told, ended=True)
    if not (sent.isascii() and sent.isdigit() and abs(time.time() - int(sent)) < PATIENCE):
        told = f"the webhook was signed at {sent!r}, expected seconds since 1970, of now"
        raise bodies.RefusedBody(401, told, ended=True)


def signature(secret: str, number: str, sent: str, body: bytes) -> str:
    """The header X-MLflow-Signature of a message of an id, and of a time."""
    signed = f"{number}.{sent}.".encode() + body
    digest = hmac.digest(secret.encode(), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
