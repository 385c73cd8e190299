"""Distributions that are drawn from: quantiles and cumulative probabilities undo each other."""

import numpy as np
import pytest

from ojala.measures.redshift_pdf import RedshiftPdf
from ojala.model.distributions import Categories, Gaussians, Redshifts

EDGES = np.linspace(0, 1, 5)
PROBABILITY = np.array([[0.7, 0.0, 0.0, 0.3], [0.0, 1.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]])
STEPS = Redshifts(
    RedshiftPdf(edges=EDGES, probability=PROBABILITY), lambda z: 10 * z, lambda z: z / 10
)
SOME = [
    Gaussians(np.array([0.0, -3.0, 5.0]), np.array([1.0, 0.1, 4.0])),
    Categories(PROBABILITY),
    STEPS,
]


@pytest.mark.parametrize("said", SOME, ids=lambda said: type(said).__name__)
def test_quantile_and_cdf_undo_each_other(said):
    share = np.random.default_rng(0).uniform(0.001, 0.999, (3, 500))
    assert said.cdf(said.quantile(share)) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("said", SOME, ids=lambda said: type(said).__name__)
def test_a_part_says_what_the_whole_says_of_it(said):
    share = np.random.default_rng(1).random((3, 50))
    rows = np.array([2, 0, 2])
    assert np.array_equal(said[rows].quantile(share[rows]), said.quantile(share)[rows])


def test_categories_come_as_often_as_their_probability():
    share = np.random.default_rng(0).random((3, 20_000))
    codes = np.floor(Categories(PROBABILITY).quantile(share))
    for row, probability in zip(codes, PROBABILITY, strict=True):
        assert [(row == code).mean() for code in range(4)] == pytest.approx(probability, abs=0.01)


def test_redshifts_are_drawn_from_their_steps():
    share = np.random.default_rng(0).random((3, 20_000))
    scaled = STEPS.quantile(share)
    counts = [np.histogram(np.log1p(row / 10), EDGES)[0] / row.size for row in scaled]
    assert np.array(counts) == pytest.approx(PROBABILITY, abs=0.01)
