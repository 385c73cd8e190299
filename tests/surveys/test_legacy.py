from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from ojala.surveys.legacy import BANDS, Legacy, ab_of_nanomaggies, read_sweep, write_sweep
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import MORPHTYPES

ARCSEC = 1 / 3600
TYPES = np.array(["PSF", "REX", "EXP", "DEV", "SER"])


def make_sweep(ra, dec) -> Columns:
    num_sources = len(ra)
    columns: Columns = {"RA": np.asarray(ra, float), "DEC": np.asarray(dec, float)}
    columns["TYPE"] = TYPES[np.arange(num_sources) % len(TYPES)]
    for band in BANDS:
        columns[f"FLUX_{band}"] = np.arange(1.0, num_sources + 1)
        columns[f"FLUX_IVAR_{band}"] = np.full(num_sources, 100.0)
    return columns


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    columns = make_sweep([10.0, 10.1, 359.99999, 200.0], [0.0, 0.0, 0.0, 80.0])
    columns["FLUX_W1"][1], columns["FLUX_IVAR_W2"][1] = -3.0, 0.0
    write_sweep(tmp_path / "sweep.fits", columns)
    return tmp_path / "sweep.fits"


def test_one_nanomaggie_is_22_5_and_errors_are_relative_fluxes():
    mag_ab, mag_ab_err = ab_of_nanomaggies(np.array([1.0, 100.0]), np.array([100.0, 1.0]))
    assert np.allclose(mag_ab, [22.5, 17.5])
    assert np.allclose(mag_ab_err, [0.10857, 0.010857], rtol=1e-4)


def test_no_magnitude_without_light_or_without_observation():
    values = ab_of_nanomaggies(np.array([-1.0, 0.0, 1.0, np.nan]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert np.isnan(values).all()


def test_what_is_written_is_read(sweep: Path):
    columns = read_sweep(sweep).columns
    assert np.allclose(columns["MAG_G"], 22.5 - 2.5 * np.log10([1, 2, 3, 4]))
    assert [MORPHTYPES[code] for code in columns["MORPHTYPE"]] == ["PSF", "REX", "EXP", "DEV"]
    assert np.isnan([columns["MAG_W1"][1], columns["MAG_W2"][1]]).all()


def test_the_nearest_source_within_the_radius_is_matched(sweep: Path):
    # 0.9 and 1.1 arcsec away, across 0 h, next to the pole, and without a position
    ra = np.array([10.0, 10.0, 0.00001, 200.0 + 0.9 * ARCSEC / np.cos(np.radians(80)), np.nan])
    dec = np.array([0.9, -1.1, 0.0, 80.0 / ARCSEC, 0.0]) * ARCSEC
    matched = Legacy(sweep).match(ra, dec)
    assert np.array_equal(np.isfinite(matched["MAG_R"]), [True, False, True, True, False])
    assert matched["MORPHTYPE"].tolist() == [3, -1, 1, 0, -1]


def test_of_two_candidates_the_nearest_counts(tmp_path: Path):
    write_sweep(tmp_path / "a.fits", make_sweep([10.0 + 0.8 * ARCSEC, 11.0], [0.0, 0.0]))
    write_sweep(tmp_path / "b.fits", make_sweep([10.0 - 0.3 * ARCSEC, 11.0], [0.0, 1.0]))
    matched = Legacy(tmp_path).match(np.array([10.0]), np.array([0.0]))
    assert matched["MAG_G"][0] == pytest.approx(22.5)
    swapped = Legacy(tmp_path / "a.fits").match(np.array([10.0]), np.array([0.0]))
    assert swapped["MAG_G"][0] == pytest.approx(22.5)


def test_only_the_sweeps_around_the_positions_are_read(tmp_path: Path):
    write_sweep(tmp_path / "sweep-000m005-010p000.fits", make_sweep([9.9999999], [-1.0]))
    write_sweep(tmp_path / "sweep-010m005-020p000.fits", make_sweep([15.0], [-1.0]))
    write_sweep(tmp_path / "sweep-350m005-360p000.fits", make_sweep([359.99999], [-1.0]))
    (tmp_path / "sweep-100p005-110p010.fits").write_text("never opened")
    matched = Legacy(tmp_path, kept=1).match(np.array([10.00001, 15.0, 0.0]), np.full(3, -1.0))
    assert np.isfinite(matched["MAG_G"]).all()


def test_duplicates_of_gaia_sources_are_no_counterparts(tmp_path: Path):
    columns = make_sweep([10.0, 10.0 + 0.5 * ARCSEC], [0.0, 0.0])
    columns["TYPE"] = np.array(["DUP", "SER"])
    write_sweep(tmp_path / "sweep.fits", columns)
    matched = Legacy(tmp_path / "sweep.fits").match(np.array([10.0]), np.array([0.0]))
    assert MORPHTYPES[matched["MORPHTYPE"][0]] == "SER"


def test_an_empty_sweep_matches_nothing(tmp_path: Path):
    write_sweep(tmp_path / "sweep.fits", make_sweep([], []))
    matched = Legacy(tmp_path / "sweep.fits").match(np.array([10.0]), np.array([0.0]))
    assert np.isnan(matched["MAG_Z"]).all()


def test_a_column_that_is_missing_is_named(sweep: Path, tmp_path: Path):
    with fits.open(sweep, mode="update") as opened:
        opened[1].columns.change_name("FLUX_IVAR_W1", "FLUX_IVAR_W3")
    with pytest.raises(ValueError, match=r"sweep.fits: column flux_ivar_w1 is missing"):
        read_sweep(sweep)
    columns = make_sweep([10.0], [0.0])
    del columns["TYPE"]
    with pytest.raises(ValueError, match="column TYPE is missing"):
        write_sweep(tmp_path / "bad.fits", columns)
    assert not (tmp_path / "bad.fits").exists()


def test_sources_without_a_position_are_left_out_and_a_table_of_none_is_refused(tmp_path: Path):
    path = tmp_path / "sweep.fits"
    write_sweep(path, make_sweep([10.0, np.nan, 11.0], [0.0, 0.0, 1.0]))
    assert len(read_sweep(path)) == 2
    write_sweep(path, make_sweep([np.nan], [np.nan]))
    with pytest.raises(ValueError, match=r"sweep\.fits: no source has a position in columns RA"):
        read_sweep(path)
    duplicates = make_sweep([10.0], [0.0]) | {"TYPE": np.array(["DUP"])}
    write_sweep(path, duplicates)
    assert len(read_sweep(path)) == 0
