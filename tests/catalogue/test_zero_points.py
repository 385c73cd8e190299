"""Zero points that were moved are found, whatever else a tile has, and taken out."""

from __future__ import annotations

import numpy as np
import pytest

from ojala.catalogue import zero_points
from ojala.catalogue.zero_points import LEAST_SOURCES, measured
from ojala.vocabulary.bands import narrow_bands

TOKENS = [band.token for band in narrow_bands()]
SLOPE = np.linspace(-1, 1, len(TOKENS))


class Expecting:
    """Expects of a band the mean of what is seen, mended by a colour that every source has."""

    def predict(self, columns, queries, *, context):
        seen = [token for token in context if token in TOKENS]
        colour = columns["colour"]
        plain = np.nanmean(
            [columns[t] / np.exp(colour * SLOPE[TOKENS.index(t)]) for t in seen], axis=0
        )
        answers = {t: plain * np.exp(colour * SLOPE[TOKENS.index(t)]) for t in queries}
        return answers | {f"{t}_ERR": np.full(len(colour), 0.01) for t in queries}


def sky(num_per_tile, *, offset, seed=0, tiles=(7, 3, 12)):
    rng = np.random.default_rng(seed)
    tile_id = np.repeat(tiles, num_per_tile)
    colour = rng.normal(0, 0.3, len(tile_id))
    place = np.searchsorted(np.sort(tiles), tile_id)
    columns = {
        "tile_id": tile_id,
        "MAG_i": rng.uniform(16, 20, len(tile_id)),
        "colour": colour,
    }
    for number, token in enumerate(TOKENS):
        flux = np.exp(colour * SLOPE[number]) * (1 + 0.02 * rng.standard_normal(len(tile_id)))
        columns[token] = (flux * 10 ** (-0.4 * offset[place, number])).astype(np.float32)
        columns[f"{token}_ERR"] = np.full(len(tile_id), 0.02, dtype=np.float32)
    return columns


@pytest.fixture
def offset():
    moved = 0.05 * np.random.default_rng(5).standard_normal((3, len(TOKENS)))
    return moved - moved.mean(axis=1, keepdims=True)  # what all have in common is that of i


def test_moved_zero_points_are_found_to_the_scatter_of_the_sources(offset):
    found = measured(Expecting(), sky(200, offset=offset))
    assert found.tiles.tolist() == [3, 7, 12]
    left = found.offset - offset
    assert np.std(left - left.mean(axis=1, keepdims=True)) < 0.006
    assert found.num_sources.min() == 200


def test_calibrated_photometry_has_no_zero_points_left(offset):
    columns = sky(200, offset=offset)
    mended = measured(Expecting(), columns).calibrated(columns)
    again = measured(Expecting(), mended)
    assert again.scatter() < 0.003
    assert mended[TOKENS[0]].dtype == np.float32
    relative = [c[f"{TOKENS[4]}_ERR"] / c[TOKENS[4]] for c in (columns, mended)]
    np.testing.assert_allclose(*relative, rtol=1e-5)


def test_photometry_that_is_right_is_left_alone():
    assert measured(Expecting(), sky(200, offset=np.zeros((3, len(TOKENS))))).scatter() < 0.006


def test_faint_sources_and_missing_bands_do_not_tell(offset):
    columns = sky(60, offset=offset)
    columns["MAG_i"][::2] = 21.0
    columns[TOKENS[3]][:] = np.nan
    found = measured(Expecting(), columns)
    assert set(found.num_sources[:, 0]) == {30}
    assert not found.num_sources[:, 3].any()
    assert not found.offset[:, 3].any()


def test_a_tile_of_few_sources_and_one_that_is_not_there_are_left_as_they_are(offset):
    columns = sky(LEAST_SOURCES - 1, offset=offset)
    found = measured(Expecting(), columns)
    assert not found.offset.any()
    elsewhere = measured(Expecting(), sky(100, offset=offset)).factors(np.array([1, 99]))
    np.testing.assert_array_equal(elsewhere, 1.0)


def test_no_bright_source_finds_nothing():
    columns = sky(30, offset=np.zeros((3, len(TOKENS))))
    columns["MAG_i"] += 10
    found = measured(Expecting(), columns)
    assert len(found.tiles) == 0
    assert found.scatter() == 0
    np.testing.assert_array_equal(found.calibrated(columns)[TOKENS[0]], columns[TOKENS[0]])


def test_what_is_written_is_read_and_anything_else_refused(tmp_path, offset):
    path = tmp_path / "zero_points.parquet"
    found = measured(Expecting(), sky(50, offset=offset))
    zero_points.write(found, path)
    again = zero_points.read(path)
    for name in ("tiles", "offset", "num_sources"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="not zero points of tiles"):
        zero_points.read(path)
