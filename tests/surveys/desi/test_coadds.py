"""Coadds and redrock files: what is written is read; arms merge; faults are sentences."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from desi_survey import fibermap_of, flat_arms, real_files, redshifts_of, write_pair

from ojala.surveys.desi.arms import ARMS, FIRST, TOLERANCE, WAVE, check_grid, merge_arms, split_arms
from ojala.surveys.desi.coadds import (
    read_coadd,
    read_fibermap,
    read_redrock,
    read_tsnr2,
    write_coadd,
    write_redrock,
)
from ojala.surveys.desi.tree import catalogues, pairs
from ojala.tables.pixels import healpix

IDS = np.array([39_000_001, 39_000_002, 39_000_003])


def edit(path, change):
    """Rewrite a FITS file after ``change(hdus)``; returns its path."""
    with fits.open(path, memmap=False, do_not_scale_image_data=True) as hdus:
        changed = fits.HDUList([hdu.copy() for hdu in hdus])
    change(changed)
    changed.writeto(path, overwrite=True)
    return path


def repack(path, compression):
    """Store the masks of a coadd with another compression, or none."""
    with fits.open(path, memmap=False) as hdus:
        packed = [hdu.copy() for hdu in hdus]
        for place, hdu in enumerate(hdus):
            if hdu.name.endswith("_MASK"):
                packed[place] = (
                    fits.CompImageHDU(hdu.data, name=hdu.name, compression_type=compression)
                    if compression
                    else fits.ImageHDU(hdu.data, name=hdu.name)
                )
    fits.HDUList(packed).writeto(path, overwrite=True)


def test_the_arms_share_one_grid():
    assert (len(WAVE), WAVE[0], WAVE[-1]) == (7781, 3600.0, pytest.approx(9824.0))
    for arm, wave in ARMS.items():
        assert np.allclose(WAVE[FIRST[arm] : FIRST[arm] + len(wave)], wave, atol=1e-9)
    assert np.allclose(np.diff(WAVE), 0.8)


def test_real_arms_share_the_grid_too():
    for path in real_files("coadd-*.fits"):
        with fits.open(path) as hdus:
            for arm in ARMS:
                wave = hdus[f"{arm.upper()}_WAVELENGTH"].data
                check_grid(wave, arm)
                assert wave == pytest.approx(ARMS[arm], abs=TOLERANCE)


def test_overlaps_are_weighted_by_inverse_variance():
    rng = np.random.default_rng(0)
    arms = {
        arm: (rng.normal(5, 1, (2, len(wave))), rng.uniform(1, 9, (2, len(wave))))
        for arm, wave in ARMS.items()
    }
    flux, ivar = merge_arms(arms)
    for pixel in (2700, 2720, 2750, 4900, 5000, 5025, 100, 3000, 7000):
        seen = [
            (arms[arm][0][:, pixel - FIRST[arm]], arms[arm][1][:, pixel - FIRST[arm]])
            for arm in ARMS
            if 0 <= pixel - FIRST[arm] < len(ARMS[arm])
        ]
        total = sum(weight for _, weight in seen)
        assert np.allclose(ivar[:, pixel], total)
        assert np.allclose(flux[:, pixel], sum(f * w for f, w in seen) / total)


def test_merging_what_was_split_is_the_identity():
    flux = np.random.default_rng(1).normal(size=(3, len(WAVE))).astype(np.float32)
    ones = split_arms(np.ones_like(flux))
    merged, ivar = merge_arms({arm: (part, ones[arm]) for arm, part in split_arms(flux).items()})
    assert np.allclose(merged, flux, atol=1e-6)
    assert set(np.unique(ivar)) == {1.0, 2.0}


def test_an_arm_without_data_leaves_the_other_in_the_overlap():
    arms = {arm: (np.ones((1, len(wave))), np.ones((1, len(wave)))) for arm, wave in ARMS.items()}
    arms["r"] = (np.full_like(arms["r"][0], 99.0), np.zeros_like(arms["r"][1]))
    flux, ivar = merge_arms(arms)
    assert np.all(flux[ivar > 0] == 1)
    assert np.all(ivar[:, 2751:4900] == 0)


@pytest.mark.parametrize("compression", ["GZIP_1", "RICE_1", None])
def test_a_coadd_round_trips(tmp_path, compression):
    arms = flat_arms([19.0, 20.0, 21.0], seed=3)
    masks = {arm: np.zeros(flux.shape, int) for arm, (_, flux, _) in arms.items()}
    masks["b"][1, 100:120], masks["z"][2, 5] = 4, 2**31
    path = write_pair(tmp_path, IDS, mag_ab=[19, 20, 21], arms=arms, masks=masks, healpix=42)
    repack(path, compression)
    coadd = read_coadd(path)
    assert (coadd.survey, coadd.program) == ("main", "dark")
    assert np.array_equal(coadd.spectra.targetid, IDS)
    assert np.allclose(coadd.spectra.flux[:, :2700], arms["b"][1][:, :2700])
    assert np.all(coadd.spectra.ivar[1, 100:120] == 0) and coadd.spectra.ivar[1, 99] > 0
    assert coadd.spectra.ivar[2, FIRST["z"] + 5] == pytest.approx(arms["r"][2][0, 0])
    for name, values in fibermap_of(IDS, [19, 20, 21]).items():
        kept = coadd.fibermap[name]
        assert (
            np.array_equal(kept, values) if kept.dtype.kind in "Ui" else np.allclose(kept, values)
        )
    assert np.all(read_tsnr2(path) > 0)


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([0, 2]), np.array([2]), np.array([], int)])
def test_rows_are_the_same_as_reading_all(tmp_path, rows):
    arms = flat_arms([19.0, 20.0, 21.0], seed=3)
    masks = {arm: np.zeros(flux.shape, int) for arm, (_, flux, _) in arms.items()}
    masks["r"][2, 50] = 1
    path = write_pair(tmp_path, IDS, arms=arms, masks=masks)
    whole, part = read_coadd(path), read_coadd(path, rows)
    assert np.array_equal(part.spectra.flux, whole.spectra.flux[rows])
    assert np.array_equal(part.spectra.ivar, whole.spectra.ivar[rows])
    assert np.array_equal(part.healpix, whole.healpix[rows])


def test_a_redrock_file_round_trips(tmp_path):
    redshifts = redshifts_of(IDS, spectype="QSO", Z=np.array([0.5, 1.5, 2.5]))
    group = {"survey": "sv3", "program": "bright", "healpix": 1}
    path = tmp_path / "redrock-anything.fits"
    write_redrock(path, redshifts=redshifts, fibermap=fibermap_of(IDS, [20] * 3), **group)
    read = read_redrock(path)
    for name in ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE"):
        assert np.array_equal(read[name], redshifts[name])


def test_pixels_that_are_not_finite_are_not_data(tmp_path):
    arms = flat_arms([20.0, 20.0, 20.0])
    arms["r"][1][0, 10], arms["z"][2][1, 200] = np.nan, np.inf
    coadd = read_coadd(write_pair(tmp_path, IDS, arms=arms))
    assert np.all(np.isfinite(coadd.spectra.flux))
    assert coadd.spectra.ivar[1, FIRST["z"] + 200] == 0
    assert coadd.spectra.ivar[0, FIRST["r"] + 10] == pytest.approx(arms["b"][2][0, 0])


def test_real_coadds_of_both_generations():
    seen = {path.name: read_coadd(path) for path in real_files("coadd-*.fits")}
    tile, healpix = seen["coadd-5-169-thru20210419.fits"], seen["coadd-sv3-dark-26065.fits"]
    assert (tile.survey, tile.program) == ("sv3", "tile169")
    assert (healpix.survey, healpix.program) == ("sv3", "dark")
    assert np.all(healpix.healpix == 26065)
    assert np.all(seen["coadd-special-dark-27247.fits"].healpix == 27247)
    assert [len(coadd.spectra) for coadd in (tile, healpix)] == [5, 5]
    assert np.array_equal((tile.spectra.ivar > 0).any(axis=1), [False] * 4 + [True])
    assert np.sum(healpix.spectra.ivar[2] == 0) == 35  # masked pixels of one good spectrum


def test_real_redrock_files_name_their_sources():
    for path in real_files("redrock-*.fits"):
        redshifts = read_redrock(path)
        coadd = path.with_name(path.name.replace("redrock", "coadd"))
        if coadd.exists():
            assert np.array_equal(redshifts["TARGETID"], read_fibermap(coadd).columns["TARGETID"])


def test_files_find_each_other_in_either_layout(tmp_path):
    deep = tmp_path / "healpix/main/dark/0/7"
    deep.mkdir(parents=True)
    first = write_pair(deep, IDS)
    second = write_pair(tmp_path, IDS, survey="sv1", redrock=False)
    odd = tmp_path / "redrock-test.fits"
    (deep / "redrock-main-dark-7.fits").rename(odd)
    (tmp_path / "vac/mws").mkdir(parents=True)
    (tmp_path / "vac/mws/mwsall-pix-iron.fits").touch()
    found = {pair.coadd: pair.redrock for pair in pairs(tmp_path)}
    assert found == {first: (), second: (odd,)}
    assert [path.name for path in catalogues(tmp_path)["mws"]] == ["mwsall-pix-iron.fits"]


def test_healpix_of_known_places():
    assert healpix(np.array([149.46540425]), np.array([1.79364675]))[0] == 27247


def broken(kind, path):
    """A coadd with one fault."""
    if kind == "not FITS":
        path.write_text("TARGETID,FLUX\n1,2\n" * 200)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut off":
        path.write_bytes(path.read_bytes()[:100_000])
    elif kind == "cut off at a block":
        path.write_bytes(path.read_bytes()[: 40 * 2880])
    elif kind == "damaged mask":
        with fits.open(path, disable_image_compression=True) as hdus:
            start = hdus["B_MASK"].fileinfo()["datLoc"] + 8 * len(IDS)
        content = bytearray(path.read_bytes())
        content[start + 12 : start + 20] = b"damaged!"
        path.write_bytes(content)
    elif kind == "missing HDU":
        edit(path, lambda hdus: hdus.pop([hdu.name for hdu in hdus].index("R_IVAR")))
    elif kind == "wrong unit":
        edit(path, lambda hdus: hdus["Z_FLUX"].header.set("BUNIT", "Jy"))
    elif kind == "NaN wavelengths":
        edit(path, lambda hdus: hdus["B_WAVELENGTH"].data.__setitem__(5, np.nan))
    elif kind == "other grid":
        edit(path, lambda hdus: hdus["B_WAVELENGTH"].data.__iadd__(0.4))
    elif kind == "missing column":
        edit(path, lambda hdus: hdus["FIBERMAP"].columns["FLUX_R"].__setattr__("name", "FLUX_X"))
    elif kind == "rows differ":
        edit(path, lambda hdus: hdus["R_FLUX"].__setattr__("data", np.zeros((2, 2326), "f4")))
    elif kind == "TARGETID twice":
        edit(path, lambda hdus: hdus["FIBERMAP"].data["TARGETID"].__setitem__(1, IDS[0]))
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("not FITS", "not a FITS file"),
        ("empty", "FITS file"),
        ("cut off", "cut off"),
        ("cut off at a block", "cut off|missing"),
        ("damaged mask", "HDU B_MASK: compressed pixels cannot be read"),
        ("missing HDU", "HDU R_IVAR is missing"),
        ("wrong unit", "HDU Z_FLUX has BUNIT 'Jy', expected"),
        ("NaN wavelengths", "HDU B_WAVELENGTH: wavelengths are not finite"),
        ("other grid", "HDU B_WAVELENGTH: wavelengths are not 3600"),
        ("missing column", "HDU FIBERMAP lacks column FLUX_R"),
        ("rows differ", r"HDU R_FLUX has shape \(2, 2326\), expected \(3, 2326\)"),
        ("TARGETID twice", "TARGETID 39000001 appears 2 times"),
    ],
)
def test_a_fault_is_one_sentence_naming_file_and_hdu(tmp_path, kind, said):
    path = broken(kind, write_pair(tmp_path, IDS))
    with pytest.raises(ValueError, match=said) as caught:
        read_coadd(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_redrock_faults_are_named(tmp_path):
    path = tmp_path / "redrock-main-dark-7.fits"
    write_pair(tmp_path, IDS, redshifts={"TARGETID": IDS[[0, 0, 1]]})
    with pytest.raises(ValueError, match="REDSHIFTS has TARGETID 39000001 more than once"):
        read_redrock(path)
    write_pair(tmp_path, IDS)
    edit(path, lambda hdus: hdus["REDSHIFTS"].columns["Z"].__setattr__("name", "ZZ"))
    with pytest.raises(ValueError, match=r"dark-7\.fits: HDU REDSHIFTS lacks column Z"):
        read_redrock(path)


def test_the_writer_knows_its_columns(tmp_path):
    arms = flat_arms([20.0] * 3)
    group = {"survey": "main", "program": "dark", "healpix": 1}
    path = tmp_path / "coadd.fits"
    with pytest.raises(ValueError, match="column FLUX_I is not part of the table FIBERMAP"):
        columns = fibermap_of(IDS, [20] * 3, FLUX_I=np.ones(3))
        write_coadd(path, targetid=IDS, fibermap=columns, arms=arms, **group)
    arms["b"] = (arms["b"][0] + 1, *arms["b"][1:])
    with pytest.raises(ValueError, match="wavelengths are not 3600"):
        write_coadd(path, targetid=IDS, fibermap=fibermap_of(IDS, [20] * 3), arms=arms, **group)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("hdu", "name", "values", "said"),
    [
        ("FIBERMAP", "TARGETID", ["a", "b", "c"], "column TARGETID does not hold numbers"),
        ("FIBERMAP", "EBV", np.ones((3, 2)), "column EBV holds several values in a row"),
        ("FIBERMAP", "OBJTYPE", np.ones(3), "column OBJTYPE does not hold text"),
        ("REDSHIFTS", "Z", ["a", "b", "c"], "column Z does not hold numbers"),
    ],
)
def test_a_column_of_the_wrong_kind_is_named(tmp_path, hdu, name, values, said):
    path = write_pair(tmp_path, IDS)
    if hdu == "REDSHIFTS":
        path = path.with_name("redrock-main-dark-7.fits")
    with fits.open(path, memmap=False) as hdus:
        table = Table(hdus[hdu].data)
        table[name] = values
        hdus[hdu] = fits.BinTableHDU(table, name=hdu)
        hdus.writeto(path, overwrite=True)
    read = read_redrock if hdu == "REDSHIFTS" else read_coadd
    with pytest.raises(ValueError, match=said) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: HDU {hdu}, ")
