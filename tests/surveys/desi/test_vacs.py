"""Value-added catalogues: both layouts, every sentinel, and labels that come back as written."""

import numpy as np
import pytest
from astropy.io import fits

from ojala.surveys.desi.metallicity import RVS_DR1, FehCalibration, calibrated_feh
from ojala.surveys.desi.vacs import (
    read_bhmass,
    read_cigale,
    read_fastspecfit,
    read_mws,
    write_bhmass,
    write_cigale,
    write_fastspecfit,
    write_mws,
)
from ojala.surveys.desi.vacs_layout import FASTSPECFIT, MWS, PAN25

NUM = 6


def keys():
    return {
        "targetid": np.arange(NUM) + 39_000_000,
        "survey": np.array(["main", "main", "main", "sv3", "sv1", "special"]),
        "program": np.array(["dark", "bright", "backup", "dark", "other", "dark"]),
        "healpix": np.full(NUM, 7),
        "ra": np.full(NUM, 150.0),
        "dec": np.full(NUM, 2.0),
        "z": np.full(NUM, 0.1),
        "spectype": np.full(NUM, "GALAXY"),
    }


def labels(tokens, seed=0, missing=2):
    """Random labels with errors; the first token of row ``missing`` was not measured."""
    rng = np.random.default_rng(seed)
    columns = keys()
    for token in tokens:
        columns[token] = rng.normal(9, 1, NUM)
        columns[f"{token}_ERR"] = rng.uniform(0.05, 0.5, NUM)
    columns[tokens[0]][missing] = np.nan
    return columns


def fastspecfit_labels():
    return labels([*FASTSPECFIT]) | {"OII_3727_EW": np.linspace(1, 20, NUM)}


def assert_same(read, written, tokens):
    assert np.array_equal(read["targetid"], written["targetid"])
    assert np.array_equal(read["survey"], written["survey"])
    assert np.array_equal(read["program"], written["program"])
    for token in tokens:
        missing = np.isnan(written[token])
        assert np.allclose(read[token], written[token], equal_nan=True, rtol=1e-5)
        expected = np.where(missing, np.nan, written[f"{token}_ERR"])
        assert np.allclose(read[f"{token}_ERR"], expected, equal_nan=True, rtol=1e-5)


def rename(path, hdu, old, new):
    with fits.open(path, memmap=False) as hdus:
        hdus[hdu].columns[old].name = new
        hdus.writeto(path, overwrite=True)


def change(path, hdu, column, row, value):
    with fits.open(path, mode="update", memmap=False) as hdus:
        hdus[hdu].data[column][row] = value


@pytest.mark.parametrize(
    ("version", "hdus"),
    [("2.1", ["FASTSPEC", "METADATA"]), ("3.0", ["METADATA", "SPECPHOT", "FASTSPEC"])],
)
def test_fastspecfit_round_trips_in_both_layouts(tmp_path, version, hdus):
    columns, path = fastspecfit_labels(), tmp_path / "fastspec-iron-main-dark.fits"
    write_fastspecfit(path, columns, version=version)
    with fits.open(path) as written:
        assert [hdu.name for hdu in written] == ["PRIMARY", *hdus]
    read = read_fastspecfit(path)
    assert_same(read, columns, FASTSPECFIT)
    assert np.allclose(read["OII_3727_EW"], columns["OII_3727_EW"], rtol=1e-5)


def test_a_line_without_inverse_variance_is_missing(tmp_path):
    path = tmp_path / "fastspec.fits"
    write_fastspecfit(path, fastspecfit_labels())
    for column, value in (
        ("HALPHA_EW_IVAR", 0),
        ("OII_3726_EW_IVAR", -1),
        ("NII_6584_EW_IVAR", np.nan),
    ):
        change(path, "FASTSPEC", column, 4, value)
    read = read_fastspecfit(path)
    for token in ("HALPHA_6562_EW", "OII_3727_EW", "NII_6584_EW"):
        assert np.array_equal(np.isnan(read[token]), np.arange(NUM) == 4)
    assert np.isfinite(read["HALPHA_CONT"][4])


def test_only_the_sources_asked_for_are_read(tmp_path):
    path = tmp_path / "fastspec.fits"
    write_fastspecfit(path, fastspecfit_labels())
    read = read_fastspecfit(path, np.array([39_000_004, 39_000_001, 5]))
    assert read["targetid"].tolist() == [39_000_001, 39_000_004]


def test_cigale_round_trips(tmp_path):
    columns = labels(["LOGM", "LOGSFR"])
    write_cigale(tmp_path / "c.fits", columns)
    assert_same(read_cigale(tmp_path / "c.fits"), columns, ["LOGM", "LOGSFR"])


def test_cigale_failures_sentinels_and_flags(tmp_path):
    path, columns = tmp_path / "c.fits", labels(["LOGM", "LOGSFR"], missing=0)
    columns["LOGM"][:] = 10.0
    columns["LOGM"][1] = columns["LOGSFR"][1] = np.nan  # becomes 0 and 0: a fit that failed
    columns["LOGSFR"][0] = 0.0  # a true value: the mass is not 0 as well
    write_cigale(path, columns)
    change(path, "DATA", "LOGSFR", 2, -99.0)
    change(path, "DATA", "FLAG_MASSPDF", 3, 5.5)
    change(path, "DATA", "FLAG_SFRPDF", 4, 0.1)
    change(path, "DATA", "FLAG_SFRPDF", 5, np.nan)
    read = read_cigale(path)
    assert read["targetid"].tolist() == [39_000_000 + i for i in (0, 2, 3, 4, 5)]
    assert np.isfinite(read["LOGM"]).tolist() == [True, True, False, True, True]
    assert np.isfinite(read["LOGSFR"]).tolist() == [True, False, True, False, False]
    assert read["LOGSFR"][0] == 0


def stars():
    columns = labels(MWS, missing=5)
    columns["TEFF"] = np.array([4500.0, 5000.0, 5500.0, 6000.0, 6500.0, np.nan])
    columns["LOGG"] = np.array([2.0, 4.29, 4.31, 4.0, 5.0, 4.0])
    columns["FEH"] = np.linspace(-2, 0.3, NUM)
    return columns


def test_stellar_parameters_round_trip_through_the_calibration(tmp_path):
    columns, path = stars(), tmp_path / "mwsall-pix-iron.fits"
    write_mws(path, columns)
    columns["FEH"][5] = np.nan  # no temperature, no calibration
    assert_same(read_mws(path), columns, MWS)
    raw = fits.getdata(path, "RVTAB")["FEH"]
    assert np.all(np.abs(raw[:5] - columns["FEH"][:5]) > 1e-3)


@pytest.mark.parametrize(
    ("column", "value"),
    [("RVS_WARN", 1), ("SUCCESS", False), ("PRIMARY", False), ("RR_SPECTYPE", "GALAXY")],
)
def test_stars_that_the_catalogue_warns_of_are_left_out(tmp_path, column, value):
    path = tmp_path / "mws.fits"
    write_mws(path, stars())
    change(path, "RVTAB", column, 1, value)
    assert 39_000_001 not in read_mws(path)["targetid"]
    assert 39_000_002 in read_mws(path)["targetid"]


def test_the_calibration_is_what_the_authors_state():
    # At 5000 K only the constant terms are left: 0.197 for giants, 0.039 for dwarfs.
    feh = calibrated_feh(np.zeros(2), np.full(2, 5000.0), np.array([2.5, 4.5]))
    assert np.allclose(feh, [-0.197, -0.039])
    # One unit of x is a factor 10^0.1 in temperature.
    assert RVS_DR1.offset(np.array([5000 * 10**0.1]), np.array([2.5])) == pytest.approx(-0.171)
    outside = RVS_DR1.offset(np.array([4100.0, 6600.0, 5000.0]), np.array([2.5, 2.5, 1.7]))
    assert np.all(np.isnan(outside))


def test_another_calibration_can_be_given():
    none = FehCalibration(
        giants=(0, 0, 0), dwarfs=(0, 0, 0), dwarf_logg=4, teff_range=(0, 1e5), logg_range=(-9, 9)
    )
    feh = np.array([-1.0, 0.2])
    assert np.array_equal(calibrated_feh(feh, np.full(2, 9000.0), np.ones(2), none), feh)


def test_black_hole_masses_are_of_the_main_survey(tmp_path):
    columns = labels([PAN25])
    write_bhmass(tmp_path / "b.fits", columns)
    read = read_bhmass(tmp_path / "b.fits")
    kept = np.arange(NUM) != 2
    assert np.array_equal(read["targetid"], columns["targetid"][kept])
    assert set(read["survey"]) == {"main"}
    assert np.allclose(read[PAN25], columns[PAN25][kept])


@pytest.mark.parametrize(
    ("write", "read", "hdu", "column", "tokens"),
    [
        (write_fastspecfit, read_fastspecfit, "FASTSPEC", "HALPHA_EW_IVAR", None),
        (write_cigale, read_cigale, "DATA", "FLAG_SFRPDF", ["LOGM", "LOGSFR"]),
        (write_mws, read_mws, "RVTAB", "RVS_WARN", list(MWS)),
        (write_bhmass, read_bhmass, "BHMASS", PAN25, [PAN25]),
    ],
)
def test_what_is_missing_is_named(tmp_path, write, read, hdu, column, tokens):
    path = tmp_path / "catalogue.fits"
    write(path, labels(tokens) if tokens else fastspecfit_labels())
    rename(path, hdu, column, "OTHER")
    with pytest.raises(ValueError, match=rf"catalogue\.fits: HDU {hdu} lacks column {column}"):
        read(path)
    fits.HDUList([fits.PrimaryHDU()]).writeto(path, overwrite=True)
    with pytest.raises(ValueError, match=rf"catalogue\.fits: HDU {hdu} is missing"):
        read(path)
