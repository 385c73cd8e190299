"""Every block of code in README and docs runs, or its commands are ones that exist.

Python runs, page by page, in a project with a small untrained model, its heads and tables. Commands
of RUN run there as well. Of other commands of ``ojala`` the arguments are read by the command's own
parser; of make the target must exist; of python the script. The rest is in NOT_RUN, with why.
"""

import re
import shlex
import shutil
from contextlib import chdir
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from foreign_tables import written
from markdown_it import MarkdownIt
from ruamel.yaml import YAML
from toy_heads import toy_bundle, toy_head

from ojala import cli
from ojala.model.redshift_columns import SECOND
from pipelines import params

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

RUN = {"predict": ("sources.fits", "my_sources.fits", "sources.csv"), "heads": ()}
RUN["show"] = RUN["predict"]
"""Commands of ojala that need no more than a model, and a table that is there."""

NOT_RUN = {
    "bentoml": "tests/serving/test_bento.py serves a Bento that it builds",
    "cd": "of a shell",
    "cp": "a file over the project's",
    "curl": "asks a running service, which tests/serving asks the same",
    "df": "of the machine",
    "docker": "needs its daemon; the file is checked by tests/infra",
    "dvc": "stages and remotes of a real project",
    "export": "of a shell",
    "git": "of a clone",
    "make_secrets": "runs in tests/infra/test_infra.py",
    "kubectl": "needs a cluster; the manifests are rendered by tests/infra",
    "mkdir": "of the survey's disk",
    "mv": "of the survey's disk",
    "source": "of a shell",
    "unzip": "a release that is not here",
    "wget": "a survey that is not here",
}
"""Programs that a page names and no test runs, and why."""

NO_CODE = {
    "ojala/            the library": "the tree of the rooms",
    "vocabulary -> tables": "the order of the rooms",
    "data/vac/ojala_vac.fits: catalogue of": "what ojala lineage prints",
    "R(w) = edge(": "a formula",
    "p(z, M, SFR | light)": "a formula",
    "offset(tile, band) =": "a formula",
    "objective = w_class": "a formula",
    "[survey-team]": "a file of settings",
    '{"model": {"name"': "what the service answers",
    '{"error":': "what the service answers",
}
"""Blocks that are no commands, by how they begin."""


def blocks():
    for page in PAGES:
        for token in MarkdownIt("commonmark").parse(page.read_text()):
            if token.type in ("fence", "code_block"):
                yield page, token.info.strip(), token.content


BLOCKS = list(blocks())

ELSEWHERE = {
    "mlflow": "tests/serving/test_webhook.py runs it beside a server of MLflow",
    "lsdb": "tests/publish opens what is published with it, in an environment of its own",
    "rail_ojala": "tests/rail_ojala runs the page, in an environment of its own (make rail)",
    "qp": "tests/publish opens what is published with it, in an environment of its own",
}
"""Packages that the project does not have, and why a block that imports one is not run here."""


def elsewhere(code):
    """Packages of ELSEWHERE that a block imports."""
    return set(re.findall(r"^\s*(?:import|from) (\w+)", code, re.MULTILINE)) & set(ELSEWHERE)


PYTHON = {}
for page, language, code in BLOCKS:
    if language == "python" and not elsewhere(code):
        PYTHON.setdefault(page.name, []).append(code)
SHELL = [
    pytest.param(content, id=f"{page.stem}-{number}")
    for number, (page, language, content) in enumerate(BLOCKS)
    if not language and not content.lstrip().startswith(tuple(NO_CODE))
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a model, a head and the tables that the pages name."""
    place = tmp_path_factory.mktemp("project")
    base = toy_bundle(place / "models" / "ojala")
    toy_head(place / "models" / "heads" / "bh-mass", base)
    columns = {
        "TARGETID": [39627652591521180 + row for row in range(20)],
        "MAG_i": np.linspace(18.0, 21.0, 20).tolist(),
        "MAG_R": np.linspace(18.5, 21.5, 20).tolist(),
        "J0500": [0.8] * 20,
    }
    for name in ("sources.fits", "my_sources.fits"):
        written(columns, place / name)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, place)
    return place


@pytest.mark.parametrize("page", PYTHON)
def test_python_of_a_page_runs_from_its_first_line_to_its_last(page, project):
    known = {"photometry": {"MAG_i": np.array([18.9]), "J0500": np.array([0.45])}}
    with chdir(project):
        for code in PYTHON[page]:
            exec(compile(code, page, "exec"), known)
    told = [value for value in known.values() if isinstance(value, dict) and "REASON" in value]
    for answers in told:
        assert (answers["REASON"] == "").any(), answers["REASON"]
        for name, values in answers.items():
            may_be_none = name.endswith(SECOND)
            assert values.dtype == object or may_be_none or np.isfinite(values).any(), name
    asks = "".join(PYTHON[page])
    assert bool(told) == any(f"= predictor.{verb}(" in asks for verb in ("predict", "sample"))


def commands(content):
    """The command lines of a block, without comments, prompts and redirections."""
    if content.lstrip().startswith("curl"):
        return [["curl"]]
    text = content.replace("\\\n", " ")
    lines = (shlex.split(part, comments=True) for line in text.splitlines() for part in [line])
    parts = [part for line in lines if line for part in split(line)]
    return [
        part[: next((i for i, w in enumerate(part) if w in (">", "|")), None)] for part in parts
    ]


def split(line):
    """A line's commands between its &&."""
    joined = [[]]
    for word in line:
        if word == "&&":
            joined.append([])
        else:
            joined[-1].append(word)
    return joined


@pytest.mark.parametrize("content", SHELL)
def test_commands_exist_and_understand_what_they_are_given(content, project, monkeypatch):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found = commands(content)
    assert found
    for words in found:
        while re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # of the environment
            words = words[1:]
        program, arguments = Path(words[0]).name or words[0], words[1:]
        if program == "ojala":
            ask(arguments, project)
        elif program == "make":
            assert {word for word in arguments if "=" not in word} <= targets, arguments
        elif program == "python":
            assert_script(arguments)
        else:
            assert program in NOT_RUN, words


def ask(arguments, project):
    """Run a command of ojala, or have its parser read what it is given."""
    name, *given = arguments
    if name in RUN and (given[0] in RUN[name] if given else not RUN[name]):
        with chdir(project):
            if given[:1] == ["sources.csv"]:
                exec(PYTHON["tutorial.md"][0], {})
            assert cli.main(arguments) == 0, arguments
    else:
        whole, _ = cli.parsers(arguments[:1])
        whole.parse_args(arguments)


def assert_script(arguments):
    """python -m MODULE of the project, or python FILE of it."""
    if arguments[0] == "-m":
        # A file is not imported: its package may need what is not here.
        file = ROOT / f"{arguments[1].replace('.', '/')}.py"
        assert file.is_file() or find_spec(arguments[1]) is not None, arguments
    else:
        assert (ROOT / arguments[0]).is_file(), arguments


def program(words):
    """What a command begins, behind the variables that it is given."""
    return next((word for word in words if not re.match("[A-Z_]+=", word)), words[0])


YAML_BLOCKS = [content for _, language, content in BLOCKS if language == "yaml"]


@pytest.mark.parametrize("content", YAML_BLOCKS)
def test_parameters_of_a_page_are_keys_of_the_parameter_files(content):
    whole = params.read(ROOT / "params.yaml")
    for section, given in YAML(typ="safe").load(content).items():
        assert set(given) <= set(whole[section])


def test_every_block_is_of_a_kind_that_is_looked_at():
    assert {language for _, language, _ in BLOCKS} <= {
        "", "python", "yaml", "{toctree}", "{eval-rst}"}  # fmt: skip
    assert {name for _, _, code in BLOCKS for name in elsewhere(code)} == set(ELSEWHERE)
    for start in NO_CODE:
        assert any(content.lstrip().startswith(start) for _, _, content in BLOCKS), start
    used = {Path(program(w)).name or w[0] for _, lang, c in BLOCKS if not lang
            and not c.lstrip().startswith(tuple(NO_CODE)) for w in commands(c)}  # fmt: skip
    assert set(NOT_RUN) <= used, set(NOT_RUN) - used
