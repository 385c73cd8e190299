"""The page for people at /: its files, which load nothing from anywhere else."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from starlette.responses import Response

from ojala.vocabulary.bands import bands

FILES = {
    "/": "text/html",
    "/page.css": "text/css",
    "/page.js": "text/javascript",
    "/plots.js": "text/javascript",
    "/examples.json": "application/json",
    "/bands.json": "application/json",
}
"""Paths of the page, and what each is."""

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
"""What the browser lets the page do: talk to this service, and to nobody else."""


@cache
def answered(path: str) -> Response:
    """A file of the page."""
    return Response(
        _content(path),
        media_type=FILES[path],
        headers={
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        },
    )


def _content(path: str) -> str:
    if path == "/bands.json":
        return json.dumps(
            [
                {"token": one.token, "wave": one.wave, "fwhm": one.fwhm, "kind": one.kind}
                for one in bands()
            ]
        )
    name = "page.html" if path == "/" else path.removeprefix("/")
    return (files("serving.web") / name).read_text()
