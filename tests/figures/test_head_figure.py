import numpy as np
import pytest
from drawn import words
from matplotlib.image import imread

from ojala.evaluation.head_scores import beside_paper, head_scores
from ojala.figures.heads import given_against_true
from ojala.figures.style import save


def answered(num, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.normal(8.5, 0.4, num)
    truth = {"MASS": true, "MASS_ERR": np.full(num, 0.1), "MAG_i": rng.uniform(18, 22, num)}
    answer = {"MASS": true + rng.normal(0, 0.3, num), "MASS_ERR": np.full(num, 0.3)}
    return answer, truth


@pytest.mark.parametrize("num", [300, 3, 0])
def test_a_figure_is_drawn_however_few_sources_there_are(tmp_path, num):
    answer, truth = answered(num)
    scores = {"test_real": beside_paper(head_scores(answer, truth, "MASS", 0.5), "test_real")}
    figure = given_against_true(
        {"test_real": answer}, {"test_real": truth}, scores, "MASS", "dex(solMass)"
    )
    title = figure.axes[0].get_title()
    assert "0.564" in title and f"N = {num}" in title
    assert "In parentheses: sources with good labels" in words(figure)
    save(figure, tmp_path / "head.png")
    assert np.ptp(imread(tmp_path / "head.png")) > 0.5


def test_a_head_that_was_not_trained_is_said():
    answer, truth = answered(0)
    sets = dict.fromkeys(("test_real", "test_synth"))
    figure = given_against_true(
        dict.fromkeys(sets, answer), dict.fromkeys(sets, truth), {}, "MASS", ""
    )
    assert [axis.get_title() for axis in figure.axes] == [
        "Test-Real: no head",
        "Test-Synth: no head",
    ]
