"""The page for people at /: its files, which load nothing from anywhere else."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from starlette.responses import Response

from ojala.physics.diagrams import BPT_LINES, STRONG_EW, WEAK_EW, WHAN_CUTS
from ojala.vocabulary.bands import bands

FILES = {
    "/": "text/html",
    "/page.css": "text/css",
    "/page.js": "text/javascript",
    "/plots.js": "text/javascript",
    "/lines.js": "text/javascript",
    "/examples.json": "application/json",
    "/bands.json": "application/json",
    "/diagrams.json": "application/json",
}
"""Paths of the page, and what each is."""

LEAST_OIII = -3.0
"""log [OIII]/H-beta below which no curve is drawn."""

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
    if path == "/diagrams.json":
        return json.dumps(_divisions())
    name = "page.html" if path == "/" else path.removeprefix("/")
    return (files("serving.web") / name).read_text()


def _divisions() -> dict[str, Any]:
    """What divides the diagrams of emission lines: curves of BPT as places, and numbers of WHAN."""
    x = np.linspace(-2, 0.46, 247)
    curves = {name: np.stack([x, line(x)], axis=1) for name, line in BPT_LINES.items()}
    seen = {name: places[places[:, 1] > LEAST_OIII].round(4) for name, places in curves.items()}
    return {
        "bpt": {name: places.tolist() for name, places in seen.items()},
        "whan": WHAN_CUTS,
        "passive": WEAK_EW,
        "strong": STRONG_EW,
    }
