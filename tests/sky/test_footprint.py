import numpy as np
import pytest

from ojala.sky.footprint import lay_out, photsys, places, tile_of, tiles_of
from ojala.sky.streams import Stream, generator
from ojala.tables.pixels import healpix

SKY = dict(num_desi=1000, num_jpas=3000, num_both=205, desi_per_cell=50, jpas_per_cell=250)


def test_cells_hold_the_numbers_asked_for():
    cells = lay_out(**SKY)
    both = [cell for cell in cells if cell.num_desi and cell.num_field is not None]
    assert sum(cell.num_desi for cell in cells) == 1000
    assert sum(cell.num_desi for cell in both) == 205
    assert sum(cell.num_field or 0 for cell in cells) == 3000 - 205
    assert len({cell.healpix for cell in cells}) == len(cells)
    assert max(cell.num_desi for cell in cells) <= 50


def test_a_larger_survey_keeps_the_cells_of_overlap_in_the_middle():
    overlap = [
        {cell.healpix for cell in lay_out(**SKY | sizes) if cell.num_desi and cell.num_field}
        for sizes in ({}, {"num_desi": 2000})
    ]
    assert overlap[0] == overlap[1]


def test_too_few_jpas_sources_is_said():
    with pytest.raises(ValueError, match="num_jpas is 205"):
        lay_out(**SKY | {"num_jpas": 205, "jpas_per_cell": 10})


def test_a_sky_that_is_too_small_is_said():
    with pytest.raises(ValueError, match="do not fit"):
        lay_out(**SKY | {"num_desi": 50_000, "desi_per_cell": 1})


def test_places_are_uniform_in_their_cell():
    ra, dec = places(generator(1, 10375, Stream.PLACES), 4000, 10375)
    assert np.all(healpix(ra, dec) == 10375)
    tiles, counts = np.unique(tile_of(ra, dec), return_counts=True)
    assert set(tiles) == set(tiles_of(10375))
    assert np.all(np.abs(counts - 1000) < 5 * np.sqrt(750))


def test_streams_differ_by_cell_and_purpose():
    first = generator(1, 5, Stream.PLACES).random(4)
    assert np.array_equal(first, generator(1, 5, Stream.PLACES).random(4))
    for other in ((2, 5, Stream.PLACES), (1, 6, Stream.PLACES), (1, 5, Stream.JPAS)):
        assert not np.any(first == generator(*other).random(4))


def test_the_north_is_above_its_declination_in_the_northern_cap_only():
    ra, dec = np.array([200.0, 200.0, 10.0]), np.array([33.0, 31.0, 33.0])
    assert photsys(ra, dec).tolist() == ["N", "S", "S"]
