"""The table of bands."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ojala.vocabulary.bands import band, bands, broad_bands, narrow_bands


def test_there_are_54_narrow_bands_and_six_broad_ones():
    assert len(narrow_bands()) == 54 and len(broad_bands()) == 6
    assert narrow_bands()[0].token == "J0378" and narrow_bands()[-1].token == "J0910"
    assert [b.token for b in broad_bands()] == [
        "MAG_i",
        "MAG_G",
        "MAG_R",
        "MAG_Z",
        "MAG_W1",
        "MAG_W2",
    ]


def test_tokens_and_ids_name_a_band_once():
    assert len({b.token for b in bands()}) == len({b.token_id for b in bands()}) == len(bands())
    assert list(bands()) == sorted(bands(), key=lambda b: b.token_id)


def test_narrow_bands_tile_the_optical_with_overlap():
    waves = [b.wave for b in narrow_bands()]
    for (first, second), here in zip(pairwise(waves), narrow_bands(), strict=False):
        assert 80 < second - first < here.fwhm


def test_a_narrow_band_is_named_after_its_wavelength_in_nanometres():
    for here in narrow_bands():
        assert abs(here.wave / 10 - int(here.name[1:])) < 2.5


def test_each_tray_holds_up_to_fourteen_filters():
    trays = [b.tray for b in narrow_bands()]
    sizes = {tray: trays.count(tray) for tray in set(trays)}
    assert set(sizes) == {"T1", "T2", "T3", "T4"} and max(sizes.values()) <= 14


def test_broad_bands_say_whose_curve_they_are():
    assert all(b.response and b.kind == "broad" for b in broad_bands())
    assert not any(b.response for b in narrow_bands())
    assert band("MAG_i").response == "sdss2010-i"
    assert np.isfinite([b.wave for b in bands()]).all()


def test_an_unknown_band_is_named():
    with pytest.raises(ValueError, match="band 'J1007' is not known"):
        band("J1007")
