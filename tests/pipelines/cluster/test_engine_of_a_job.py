"""A job answers with one engine from its beginning to its end, whatever "auto" finds later."""

from dataclasses import replace

from ojala.catalogue.answerer import Recipe
from ojala.engines.engine import PLAIN, Engine
from pipelines.cluster import vac


def test_a_job_that_goes_on_takes_the_engine_that_it_began_with(tmp_path, monkeypatch):
    recipe = Recipe(bundle=tmp_path / "model", engine=Engine(backend="auto"))
    for place, backend in (("one", "openvino"), ("other", "torch")):
        found = replace(recipe, engine=Engine(backend=backend))
        monkeypatch.setattr(Recipe, "settled", lambda self, found=found: found)
        assert vac._settled(recipe, tmp_path / place) == found
    monkeypatch.delattr(Recipe, "settled")
    for place, backend in (("one", "openvino"), ("other", "torch")):
        assert vac._settled(recipe, tmp_path / place).engine.said() == f"{backend}, float32"


def test_an_engine_that_was_named_is_taken_and_not_written_down(tmp_path):
    recipe = Recipe(bundle=tmp_path / "model")
    assert vac._settled(recipe, tmp_path / "input") == recipe and recipe.engine == PLAIN
    assert not (tmp_path / "input").exists()
