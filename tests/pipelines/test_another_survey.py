"""docs/another-survey.md is walked through on a tiny sky, with no line of Python changed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt
from one_cluster import one_cluster
from ruamel.yaml import YAML
from tiny_project import STAGES, change, command, ran, tiny_project
from vocabulary_of_two import write_tables

from ojala.vocabulary.directory import PACKAGED
from pipelines import survey

ROOT = Path(__file__).parents[2]
PAGE = MarkdownIt("commonmark").parse((ROOT / "docs/another-survey.md").read_text())
BLOCKS = [(token.info.strip(), token.content) for token in PAGE if token.type == "fence"]
VARIABLE = "OJALA_VOCABULARY"


@pytest.fixture
def project(tmp_path):
    """A tiny project with what the page says about params.yaml."""
    place = tiny_project(tmp_path)
    shutil.copytree(ROOT / "docs/surveys", place / "docs/surveys")
    [said] = [content for language, content in BLOCKS if language == "yaml"]
    for section, values in YAML(typ="safe").load(said).items():
        for name, value in values.items():
            if isinstance(value, dict):
                [(inner, of_inner)] = value.items()
                change(place, section, name, inner, **of_inner)
            else:
                change(place, section, **{name: value})
    return place


@pytest.mark.slow
def test_rubin_from_the_sky_to_a_catalogue(project):
    assert [code for _, code in BLOCKS if code.startswith("dvc")] == ["dvc repro\n"]
    with one_cluster():
        assert sorted(ran(project)) == sorted(STAGES)
    mocks = pq.read_table(next((project / "data/mocks").glob("*.parquet")))
    assert {"LSSTg", "LSSTr", "LSSTz", "MAG_LSSTi"} <= set(mocks.column_names)
    assert not {"J0660", "MAG_i", "MAG_G"} & set(mocks.column_names)
    catalogue = pq.read_table(project / "data/vac/ojala_vac.parquet")
    assert "MAG_LSSTi" in catalogue.column_names
    assert json.loads((project / "reports/metrics.json").read_text())["test_real"]["contexts"]
    table = project / "rubin.csv"
    table.write_text("MAG_LSSTi,LSSTg,LSSTr,LSSTz\n20.1,0.4,0.9,1.1\n21.0,1.2,1.1,\n")
    answers = project / "answers.csv"
    given = ("predict", str(table), "--bundle", "models/ojala", "--out", str(answers))
    command(project, "ojala.cli", *given, **{VARIABLE: str(project / "models/ojala")})
    assert len(answers.read_text().splitlines()) == 3
    refused = subprocess.run(
        [sys.executable, "-m", "ojala.cli", *given], cwd=project, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "another vocabulary, token 1 is LSSTg, expected J0378" in refused.stderr


@pytest.mark.parametrize(
    ("data", "expected"),
    [({}, PACKAGED), ({"vocabulary": survey.DEFAULT}, PACKAGED), ({"vocabulary": "own"}, "own")],
)
def test_the_survey_is_the_directory_that_params_name(data, expected, tmp_path):
    write_tables(tmp_path / "own")
    place = expected if expected is PACKAGED else tmp_path / expected
    assert survey.chosen({"data": data}, tmp_path) == place
    assert survey.chosen({}, tmp_path) == PACKAGED


def test_a_directory_without_tables_is_no_survey(tmp_path):
    with pytest.raises(ValueError, match=r"data\.vocabulary is 'none', expected a directory with"):
        survey.chosen({"data": {"vocabulary": "none"}}, tmp_path)


def test_a_stage_begins_again_with_the_survey_of_its_parameters(tmp_path):
    """In the process that it becomes, names of bands are the survey's."""
    write_tables(tmp_path / "own")
    code = (
        "import sys; from pathlib import Path; from pipelines import survey\n"
        "survey.begin({'data': {'vocabulary': 'own'}}, Path(sys.argv[1]))\n"
        "from ojala.vocabulary.quantities import vocabulary; print(*vocabulary()[:3])\n"
    )
    begun = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(begun, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "NB66 MAG_own MORPHTYPE\n", done.stderr


def test_two_surveys_at_once_are_refused(tmp_path, monkeypatch):
    write_tables(tmp_path / "own")
    monkeypatch.setenv(VARIABLE, str(PACKAGED))
    with pytest.raises(ValueError, match=r"unset OJALA_VOCABULARY"):
        survey.begin({"data": {"vocabulary": "own"}}, tmp_path)
