"""One project is found, by one rule, wherever a command or a stage begins."""

import os
from pathlib import Path

import pytest
from toy_heads import toy_bundle, toy_head
from toy_sky import toy_table

from ojala.cli import main
from ojala.tables import project
from ojala.tables.files import write_table_file
from pipelines import stage
from pipelines.registry import store


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    for name in (project.PROJECT, "MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def made(tmp_path):
    """A project with a bundle and a head, and a place elsewhere."""
    place = tmp_path / "project"
    (place / "notebooks/drafts").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in project.SIGNS:
        (place / name).write_text("{}\n")
    base = toy_bundle(place / "models/ojala")
    toy_head(place / "models/heads/bh-mass", base)
    return place


STANDS = [
    ("project", []),
    ("project/notebooks/drafts", []),
    ("elsewhere", ["--project", "../project"]),
    ("project/notebooks", ["--project", ".."]),
]


@pytest.mark.parametrize(("stands", "option"), STANDS)
def test_heads_and_bundle_are_found(stands, option, made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path / stands)
    assert main(["heads", *option]) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out.split()
    assert printed[0] == "bh-mass" and printed[-1] == "ready"
    assert Path.cwd() == tmp_path / stands, "whoever calls it stands where she stood"
    assert project.PROJECT not in os.environ


@pytest.mark.parametrize(("stands", "option"), STANDS)
def test_what_is_given_is_of_where_the_user_stands(
    stands, option, made, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path / stands)
    write_table_file(toy_table(5), Path("mine.parquet"))
    words = ["predict", "mine.parquet", "--out", "answers.csv", "--queries", "SPECTYPE"]
    assert main([*words, *option]) == 0, capsys.readouterr().err
    assert (tmp_path / stands / "answers.csv").is_file()


def test_a_path_that_is_spelt_like_the_default_is_still_the_users(made, monkeypatch, capsys):
    monkeypatch.chdir(made / "notebooks")
    assert main(["heads", "models/heads"]) == 1
    assert f"{made}/notebooks/models/heads: no heads here" in capsys.readouterr().err


@pytest.mark.parametrize(("stands", "option"), STANDS)
def test_the_registry_is_the_projects(stands, option, made, tmp_path, monkeypatch, capsys):
    (made / "mlflow.db").write_text("not a database " * 100)
    monkeypatch.chdir(tmp_path / stands)
    assert main(["lineage", "ojala/1", *option]) == 1
    assert f"{made}/mlflow.db: file is not a database" in capsys.readouterr().err


def test_a_catalogue_that_is_not_there_is_not_looked_for_in_the_project(made, monkeypatch, capsys):
    (made / "vac.fits").write_text("")
    monkeypatch.chdir(made / "notebooks")
    assert main(["lineage", "vac.fits"]) == 1
    assert f"{made}/notebooks/vac.fits: no such file" in capsys.readouterr().err


def test_the_option_counts_more_than_the_environment_and_that_more_than_the_place(
    made, tmp_path, monkeypatch
):
    monkeypatch.chdir(made / "notebooks")
    assert project.find() == made
    monkeypatch.setenv(project.PROJECT, str(tmp_path / "elsewhere"))
    assert project.find() == tmp_path / "elsewhere"
    assert store.uri() == f"sqlite:///{tmp_path}/elsewhere/mlflow.db"
    assert project.find(made) == made
    with project.standing_in(made):
        assert project.find() == made, "the registry is that of the option as well"
    assert os.environ[project.PROJECT] == str(tmp_path / "elsewhere")


def test_without_any_project_it_is_the_working_directory(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/params.yaml").write_text("of something else")
    assert project.find() == tmp_path / "elsewhere"


def test_a_project_that_is_no_directory_is_refused(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["heads", "--project", "projet"]) == 1
    assert "--project is projet, expected a directory" in capsys.readouterr().err
    monkeypatch.setenv(project.PROJECT, "nowhere")
    assert main(["heads"]) == 1
    assert "OJALA_PROJECT is nowhere, expected a directory" in capsys.readouterr().err


def test_a_stage_works_from_the_project_and_under_dvc_where_dvc_began_it(
    made, tmp_path, monkeypatch
):
    stood = []
    monkeypatch.chdir(made / "notebooks")
    stage.run(lambda: stood.append(Path.cwd()))
    monkeypatch.chdir(made)
    monkeypatch.setenv(project.PROJECT, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DVC_ROOT", str(made))
    stage.run(lambda: stood.append(Path.cwd()))
    assert stood == [made, made]
