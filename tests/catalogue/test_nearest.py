"""The nearest vectors are those that a look at all of them finds."""

import numpy as np
import pytest

from ojala.catalogue import nearest as module
from ojala.catalogue.nearest import nearest


def by_looking_at_all(vectors, asked, num):
    apart = np.linalg.norm(vectors[None].astype(float) - asked[:, None].astype(float), axis=2)
    rows = np.argsort(apart, axis=1, kind="stable")[:, :num]
    return rows, np.take_along_axis(apart, rows, 1)


@pytest.mark.parametrize("num", [1, 7, 300, 1000])
@pytest.mark.parametrize("block", [64, 65_536])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_none_is_missed_wherever_the_blocks_end(monkeypatch, num, block, offset):
    monkeypatch.setattr(module, "BLOCK", block)
    rng = np.random.default_rng(num)
    vectors = (rng.normal(size=(300, 16)) + offset).astype(np.float32)
    asked = (rng.normal(size=(5, 16)) + offset).astype(np.float32)
    rows, distances = nearest(vectors, asked, num)
    expected, apart = by_looking_at_all(vectors, asked, num)
    assert rows.shape == distances.shape == (5, min(num, 300))
    np.testing.assert_array_equal(distances, apart)
    np.testing.assert_array_equal(rows, expected)


def test_a_vector_is_nearest_to_itself_at_no_distance_at_all():
    vectors = np.random.default_rng(0).normal(100, 1, size=(500, 8)).astype(np.float32)
    rows, distances = nearest(vectors, vectors[[3, 499, 0]], 2)
    assert rows[:, 0].tolist() == [3, 499, 0] and not distances[:, 0].any()
    assert (distances[:, 1] > 0).all()


def test_of_equally_near_ones_the_first_row_comes_first():
    vectors = np.tile(np.array([[1.0, 2.0]], np.float32), (9, 1))
    rows, distances = nearest(vectors, np.zeros((1, 2), np.float32), 4)
    assert rows.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(distances, np.sqrt(5))


def test_of_nobody_there_are_no_neighbours():
    vectors = np.ones((3, 2), np.float32)
    rows, distances = nearest(vectors, np.empty((0, 2), np.float32), 2)
    assert rows.shape == distances.shape == (0, 2)
