"""Pieces of a page that needs nothing beside itself: tables, figures, sections."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ojala.metrics import NOT_ENOUGH

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; margin: 0 auto; max-width: 76rem;
  padding: 1.5rem; }
h1, h2, h3 { line-height: 1.2; }
h2 { border-bottom: 2px solid #bbb; margin-top: 3rem; padding-bottom: .2rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
caption { font-weight: 600; padding: .3rem 0; text-align: left; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .55rem; text-align: right; }
td { white-space: nowrap; }
td:first-child, .few { white-space: normal; }
td:first-child { min-width: 7rem; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
.few { color: #777; font-style: italic; }
.paper { background: #f4f1e8; }
.notice { background: #fff3cd; border-left: 5px solid #e0a800; padding: .7rem 1rem; }
.scroll { overflow-x: auto; }
figure { margin: 1.5rem 0; }
figure img { border: 1px solid #ddd; height: auto; max-width: 100%; }
figcaption { font-size: .92rem; max-width: 60rem; }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole HTML document; it loads nothing from elsewhere."""
    return "\n".join(
        (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            '<link rel="icon" href="data:,">',  # no request for a favicon
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *body,
            "</body></html>\n",
        )
    )


def section(name: str, title: str, *content: str) -> str:
    """A section that ``contents`` can point to."""
    return (
        f'<section id="{escape(name)}"><h2>{escape(title)}</h2>' + "".join(content) + "</section>"
    )


def contents(sections: Iterable[tuple[str, str]]) -> str:
    """Links to sections, by name and title."""
    links = (f'<a href="#{escape(name)}">{escape(title)}</a>' for name, title in sections)
    return f"<nav>{''.join(links)}</nav>"


def paragraph(text: str, *, notice: bool = False) -> str:
    """Plain text."""
    kind = ' class="notice"' if notice else ""
    return f"<p{kind}>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """Plain texts, one below the other."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, *, paper: Sequence[int] = ()
) -> str:
    """Rows of texts and numbers; ``paper`` are the columns that the paper's values stand in."""

    def cells(tag: str, values: Sequence[Any]) -> str:
        kinds = [' class="paper"' if place in paper else "" for place in range(len(values))]
        shown = (f"<{tag}{kind}>{cell(v)}</{tag}>" for kind, v in zip(kinds, values, strict=True))
        return "<tr>" + "".join(shown) + "</tr>"

    body = "".join(cells("td", row) for row in rows)
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead>{cells('th', head)}</thead><tbody>{body}</tbody></table></div>"
    )


def cell(value: Any) -> str:
    """A number to three digits, an integer with its thousands, a text as it is."""
    if value == NOT_ENOUGH:
        return f'<span class="few">{NOT_ENOUGH}</span>'
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return '<span class="few">undefined</span>'
        return digits(value)
    return escape(str(value))


def digits(value: float, number: int = 3, sign: str = "") -> str:
    """So many significant digits or all before the point; ``sign`` "+" writes a plus."""
    if abs(value) >= 10**number:
        return f"{value:{sign},.0f}"
    return "0" if value == 0 else f"{value:{sign}#.{number}g}".removesuffix(".")


def figure(path: Path, caption: str) -> str:
    """A PNG file inside the page."""
    content = base64.b64encode(path.read_bytes()).decode()
    alt = escape(caption, quote=True)
    return (
        f'<figure><img src="data:image/png;base64,{content}" alt="{alt}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
