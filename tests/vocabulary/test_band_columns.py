"""Names of bands and marks of missing values are those of docs/tables.md, and no others."""

import re
from pathlib import Path

import numpy as np
import pytest

from ojala.tables.sentinels import HUGE, NINES, are_ratios, is_mark, without_marks
from ojala.vocabulary.band_columns import band_columns

PAGE = (Path(__file__).parents[2] / "docs/tables.md").read_text()
I_TOO = ["MAG_i", "APER_COR_3_0_iSDSS", "AUTO_iSDSS", "MAG_APER_COR_3_0_iSDSS"]


def row(beginning):
    """Names in backticks of each cell of a row of the page."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {beginning}")]
    return [re.findall("`([^`]*)`", cell) for cell in line.split("|")[1:-1]]


def narrow_row(beginning):
    _, names, errors = row(beginning)
    return [n for n in names if "J" in n], errors


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        ("narrow band, f_lambda over", "ratio"),
        ("narrow band, f_lambda in an", "flux"),
        ("narrow band, AB", "mag"),
    ],
)
@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_narrow_bands_of_the_page_are_read(beginning, kind, case):
    names, errors = narrow_row(beginning)
    for name in names:
        found = band_columns([case(name), *I_TOO])
        assert found.values["J0660"] == case(name) and found.kind == kind
    for error in errors:
        of_same = [n for n in names if n.startswith("APER")] if error.startswith("APER") else names
        found = band_columns([of_same[0], case(error), *I_TOO])
        assert found.errors["J0660"] == case(error)


def test_broad_bands_of_the_page_are_read():
    _, names, errors = row("broad band")
    for name in names:
        token = "MAG_i" if "i" in name else name
        assert band_columns([name]).values == {token: name}
    for error in errors:
        assert band_columns(["MAG_G", error]).errors == {"MAG_G": error}
    for name in row("total i flux")[1]:
        assert band_columns([name]).auto == name


def test_the_preferred_form_is_taken_whatever_the_order():
    names = ["MAG_APER_COR_3_0_J0660", "AUTO_J0660", "FLUX_APER_COR_3_0_J0660", *I_TOO]
    for order in (names, names[::-1]):
        assert band_columns(order).values["J0660"] == "FLUX_APER_COR_3_0_J0660"
        assert band_columns(order).i_value == "APER_COR_3_0_iSDSS"
        assert band_columns(["J0660", *order]).kind == "ratio"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["J0660", "J660"], "could both be J0660"),
        (["AUTO_J0660", "PETRO_J0660", *I_TOO], "are both narrow bands"),
        (["J0660", "APER_COR_3_0_J0500", *I_TOO], "column APER_COR_3_0_J0500: narrow bands in a"),
        (["AUTO_J0660", "APER_COR_3_0_iSDSS"], "AUTO_J0660 holds light in an aperture, and there"),
        (["fluxJ0660"], "column fluxJ0660: narrow bands in a form that is not known"),
        (["FLUX_W1"], "column FLUX_W1: a broad band is an AB magnitude, named MAG_W1"),
        (["r_mag"], "column r_mag: a broad band is an AB magnitude, named MAG_R"),
        (["flux_aper_cor_3_0"], "holds all filters in one array: ojala jpas"),
        (["J0660", "J0660_ERR", "e_J0660"], "could both be the error of J0660"),
    ],
)
def test_what_is_not_certain_is_refused(names, said):
    with pytest.raises(ValueError, match=said):
        band_columns([*names, *({"MAG_i"} - set(names))])


def test_marks_are_those_of_the_page():
    (line,) = [line for line in PAGE.splitlines() if line.startswith("| 99,")]
    nines = [float(number) for number in re.findall(r"\b9[\d.]*\d\b", line.split("with")[0])]
    assert nines == NINES.tolist() and HUGE == 1e10
    marks = np.array([*nines, np.inf, 1.1e10, 1e20])
    for kind in (np.float64, np.float32):
        assert is_mark(marks.astype(kind)).all() and is_mark(-marks.astype(kind)).all()
    values = np.array([0, -0.5, 19.99, 9.0, 98.9, 100, 1e9, np.nan])
    assert not is_mark(values).any()
    np.testing.assert_array_equal(without_marks(values), values)


def test_fluxes_are_told_from_ratios_by_the_source_alone():
    rng = np.random.default_rng(0)
    ratios = rng.normal(0.9, 0.3, (40, 54))
    ratios[:, :10] = rng.choice([99.0, -999, np.nan], (40, 10))
    assert are_ratios(ratios).all()
    mixed = np.where(np.arange(40)[:, None] % 2, ratios, ratios * 300)
    assert np.array_equal(are_ratios(mixed), np.arange(40) % 2 == 1)
    assert not are_ratios(np.zeros((1, 10)))[0] and are_ratios(np.zeros((1, 9)))[0]
    assert are_ratios(np.full((2, 54), np.nan)).all() and are_ratios(np.empty((3, 0))).all()
