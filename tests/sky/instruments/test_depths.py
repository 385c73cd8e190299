import csv
from pathlib import Path

import numpy as np
import pytest

from ojala.physics.jpas_filters import FILTERS
from ojala.sky.instruments.depths import jpas_depths
from ojala.vocabulary.bands import bands, narrow_bands

SHARED = Path(__file__).parents[4] / "shared/data"


def test_rows_are_the_filters_of_the_archive_with_the_bands_trays():
    depths = jpas_depths()
    assert depths.name == FILTERS
    trays = {band.name: band.tray for band in bands()} | {"iSDSS": "T5"}
    for name, tray in zip(depths.name, depths.tray, strict=True):
        assert tray == trays.get(name, tray)
    for band in narrow_bands():
        assert depths.wave[depths.position(band.name)] == pytest.approx(band.wave, abs=5)


def test_depths_are_those_of_the_survey():
    depths = jpas_depths()
    narrow = depths.depth[1:55]
    blue, red = np.median(narrow[:15]), np.median(narrow[-15:])
    assert blue == pytest.approx(22.4, abs=0.15)
    assert red == pytest.approx(22.0, abs=0.15)
    assert depths.depth[-1] == 24.0


@pytest.mark.skipif(not SHARED.is_dir(), reason="the tile images are not part of the project")
def test_the_table_summarises_the_tile_images():
    lines = (SHARED / "minijpas_tile_image.csv").read_text().splitlines()
    images = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(images) == 240
    depths = jpas_depths()
    for name, filter_id in (("J0378", "2"), ("J0660", "30"), ("J0910", "55"), ("iSDSS", "60")):
        tiles = [image for image in images if image["FILTER_ID"] == filter_id]
        row = depths.position(name)
        for column, key in (("seeing", "FWHM_MEAN"), ("zpt_err", "ERRZPT")):
            expected = np.median([float(tile[key]) for tile in tiles])
            assert getattr(depths, column)[row] == pytest.approx(expected, abs=0.006)
