"""Pieces of a page that needs nothing beside itself: tables, figures, sections.

Their HTML is data/report_page.html; each is safe as it stands, and other texts are escaped.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from ojala.measures.metrics import NOT_ENOUGH


def page(title: str, body: Iterable[Markup]) -> str:
    """A whole HTML document; it loads nothing from elsewhere."""
    return str(_pieces().page(title, body))


def section(name: str, title: str, *content: Markup) -> Markup:
    """A section that ``contents`` can point to."""
    return Markup(_pieces().section(name, title, content))


def contents(sections: Iterable[tuple[str, str]]) -> Markup:
    """Links to sections, by name and title."""
    return Markup(_pieces().contents(sections))


def paragraph(text: str, *, notice: bool = False) -> Markup:
    """Plain text."""
    return Markup(_pieces().paragraph(text, notice))


def bullets(texts: Iterable[str]) -> Markup:
    """Plain texts, one below the other."""
    return Markup(_pieces().bullets(texts))


def table(
    head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, *, paper: Sequence[int] = ()
) -> Markup:
    """Rows of texts and numbers; ``paper`` are the columns that the paper's values stand in."""
    return Markup(_pieces().table(head, rows, caption, paper))


def figure(path: Path, caption: str) -> Markup:
    """A PNG file inside the page."""
    return Markup(_pieces().figure(base64.b64encode(path.read_bytes()).decode(), caption))


def cell(value: Any) -> str:
    """A number to three digits, an integer with its thousands, a text as it is, escaped."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float) and math.isfinite(value):
        return digits(value)
    if value == NOT_ENOUGH or isinstance(value, float):
        why = NOT_ENOUGH if value == NOT_ENOUGH else "undefined"
        return Markup('<span class="few">{}</span>').format(why)
    return Markup.escape(value)


def digits(value: float, number: int = 3, sign: str = "") -> str:
    """So many significant digits or all before the point; ``sign`` "+" writes a plus."""
    if abs(value) >= 10**number:
        return f"{value:{sign},.0f}"
    return "0" if value == 0 else f"{value:{sign}#.{number}g}".removesuffix(".")


@cache
def _pieces() -> Any:
    """The macros of the template, by name."""
    pages = Environment(
        loader=PackageLoader("ojala.vocabulary", "data"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["cell"] = cell
    return pages.get_template("report_page.html").module
