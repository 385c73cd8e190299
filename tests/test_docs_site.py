"""The site of docs/: every page has its place, what code tells is whole, links inside lead on."""

import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ojala import cli
from pipelines import params

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
import links  # noqa: E402
import told_by_code  # noqa: E402

BUILT = ROOT / ".docs" / "bin" / "python"


def pages_of_the_index():
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


def test_every_page_stands_once_in_the_navigation():
    named = pages_of_the_index()
    written = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert len(named) == len(set(named))
    told = {"command-help", "parameters"} | {path.stem for path in told_by_code.notebooks()}
    assert set(named) == written | {f"generated/{name}" for name in told}


@pytest.mark.parametrize(
    "page", [*links.PAGES, *told_by_code.notebooks()], ids=lambda page: page.name
)
def test_links_inside_lead_to_files_and_headings(page):
    assert links.broken_inside([page]) == []


def test_a_link_inside_that_leads_nowhere_is_said(tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# What `it` is\n\ntext\n\n## Two, and more\n")
    page.write_text(
        "[a](other.md) [b](other.md#what-it-is) [c](other.md#two-and-more) [d](#here)\n\n# Here\n\n"
        "[e](none.md) ![f](none.png) [g](other.md#three) [h](https://none.invalid)\n\n"
        "|x|\n|---|\n|[i](gone.md)|\n"
    )
    assert links.broken_inside([page]) == [
        "page.md: none.md leads to no file",
        "page.md: none.png leads to no file",
        "page.md: other.md#three leads to no heading",
        "page.md: gone.md leads to no file",
    ]
    assert links.outside([page, other]) == {"https://none.invalid": ["page.md"]}


class Pages(BaseHTTPRequestHandler):
    """A host that has /here, asks for a name at /closed, and has nothing else."""

    def do_GET(self):
        self.send_response({"/here": 200, "/closed": 403}.get(self.path, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *said):
        pass


def test_links_to_the_outside_are_asked_for():
    with HTTPServer(("127.0.0.1", 0), Pages) as host:
        Thread(target=host.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{host.server_port}"
        answers = {name: links.answer(f"{place}/{name}") for name in ("here", "closed", "gone")}
        host.shutdown()
    assert answers == {"here": 200, "closed": 403, "gone": 404}
    assert links.answer(f"{place}/here") == links.UNREACHED


def test_without_a_network_links_are_skipped_and_that_is_said():
    assert links.judged({"a": 0, "b": 0}) == (
        {},
        "no network: 2 links to the outside were SKIPPED, none was looked at",
    )
    wrong, said = links.judged({"a": 200, "b": 404, "c": 0, "d": 429})
    assert wrong == {"b": "b is gone (404)", "c": "c: nobody answers"}
    assert said == "2 links to the outside were answered, 1 not for programs"


def test_every_command_and_option_is_told(monkeypatch):
    text = told_by_code.commands_page()
    _, parsers = cli.parsers(cli.commands())
    for name, parser in parsers.items():
        assert f"\n## ojala {name}\n" in text
        for action in parser._actions:
            assert all(option in text for option in action.option_strings)


@pytest.mark.parametrize("section", params.SECTIONS)
def test_every_parameter_is_told_with_its_values_and_its_meaning(section):
    given = [params.read(ROOT / name)[section] for name in told_by_code.FILES]
    told = {name: (values, said) for name, values, said in
            told_by_code.entries(params.kind(section), given)}  # fmt: skip

    def leaves(value, before=""):
        for name, inner in value.items():
            deep = isinstance(inner, dict) and any(
                key.startswith(f"{before}{name}.") for key in told
            )
            yield from leaves(inner, f"{before}{name}.") if deep else [(f"{before}{name}", inner)]

    for place, one in enumerate(given):
        for name, value in leaves(one):
            if value is not None:
                assert told[name][0][place] == value
    assert not [name for name, (_, said) in told.items() if not said]


def test_what_a_docstring_says_of_parameters_stands_beside_their_types():
    lines = [
        "Do it.", "", "one: the first", "    and more of it", "two, three: both; four: last",
        "Raises ValueError for none,", "and for two.", "Returns a sum.", "", "End.",
    ]  # fmt: skip
    assert told_by_code.as_fields(lines, ["one", "two", "three", "four"]) == [
        "Do it.", "", "", "End.", "",
        ":param one: the first and more of it", ":param two: both", ":param three: both",
        ":param four: last", ":raises ValueError: for none, and for two.", ":returns: a sum.", "",
    ]  # fmt: skip


def test_names_of_other_things_become_a_list():
    lines = ["A table.", "", "rows: of it", "columns: of it", "", "End."]
    assert told_by_code.as_fields(lines, []) == [
        "A table.", "", "", "- **rows**: of it", "- **columns**: of it", "", "End."]  # fmt: skip


def test_a_notebook_becomes_a_page():
    source = (
        "# ---\n# header\n# ---\n\n# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n# why\n"
    )
    assert told_by_code.notebook_page(source) == (
        "# Title\n\nText.\n\n```python\nx = 1\n# why\n```\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not BUILT.exists(), reason="needs the environment of make docs")
def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run(
        [BUILT, "-m", "sphinx", "-W", "-b", "html", "docs", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "search.html").is_file()
