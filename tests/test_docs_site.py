"""The site of docs/: every page has its place, what code tells is whole, links inside lead on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ojala import cli
from pipelines import params

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
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
    assert set(named) == written | {"generated/command-help", "generated/parameters"}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_of_a_page_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


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


def test_names_of_a_docstring_become_a_list():
    lines = ["Do it.", "", "one: the first", "    and more of it", "two, three: both", "", "End."]
    assert told_by_code.as_lists(lines) == [
        "Do it.", "", "", "- **one**: the first", "  and more of it", "- **two, three**: both",
        "", "End."]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not BUILT.exists(), reason="needs the environment of make docs")
def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run(
        [BUILT, "-m", "sphinx", "-W", "-b", "html", "docs", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "search.html").is_file()
