"""The site of the pages of docs/ (make docs): Sphinx with MyST, and pages written from the code."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import told_by_code  # noqa: E402

from ojala import __version__  # noqa: E402

project = "OJALA"
author = "OJALA"
copyright = "MIT licence"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["requirements.txt", "notebooks"]
myst_heading_anchors = 3
myst_links_external_new_tab = True
highlight_language = "none"  # of a block that names none: commands of a shell, and what they print
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = "OJALA"
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#9c2a2a", "color-brand-content": "#9c2a2a"}
}

told_by_code.write(HERE / "generated")


def setup(app: Any) -> None:
    """Docstrings of the house as fields and lists that Sphinx understands."""
    app.connect("autodoc-process-docstring", _as_fields)


def _as_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    try:
        parameters = list(inspect.signature(obj).parameters)
    except (TypeError, ValueError):  # an attribute
        parameters = []
    lines[:] = told_by_code.as_fields(lines, parameters)
