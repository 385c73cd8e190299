import numpy as np
from matched import truth_of

from ojala.figures.surveys import EXAMPLES_OF_CLASS, examples, nearest


def test_examples_are_bright_and_of_every_class():
    mocks = truth_of(500, np.random.default_rng(0))
    rows = examples(mocks, seed=1)
    assert np.bincount(mocks["SPECTYPE"][rows]).tolist() == [EXAMPLES_OF_CLASS] * 3
    assert np.all((mocks["MAG_i"][rows] > 17.5) & (mocks["MAG_i"][rows] < 20.5))
    assert np.array_equal(rows, examples(mocks, seed=1))


def test_a_class_without_bright_sources_has_no_examples():
    mocks = truth_of(500, np.random.default_rng(0))
    mocks["MAG_i"] = np.where(mocks["SPECTYPE"] == 2, 22.0, mocks["MAG_i"])
    assert 2 not in mocks["SPECTYPE"][examples(mocks, seed=1)]


def test_the_counterpart_is_the_nearest_of_the_same_magnitude():
    embeddings = np.array([[0.0, 0.0], [5.0, 5.0]])
    jpas = np.array([[0.1, 0.0], [0.0, 0.0], [5.0, 5.1]])
    found = nearest(embeddings, np.array([18.0, 21.0]), jpas, np.array([18.05, 18.3, 19.0]))
    assert found.tolist() == [0, -1]
