"""A directory of DESI files as users have them: packed, older, damaged, other things beside."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from desi_survey import write_pair

from ojala.tables.shards import column, read_table
from ojala.training_set.mocks import MocksConfig
from ojala.training_set.mocks_table import write


def made(directory):
    out = directory / "out"
    summary = write(directory, out / "mocks.parquet", out / "rejects.parquet", MocksConfig())
    assert summary.num_rows + sum(summary.rejects.values()) == summary.num_spectra
    return summary, read_table(out / "mocks.parquet")


def packed(path):
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def fpacked(path):
    with fits.open(path) as hdus:
        new = [
            fits.CompImageHDU(x.data, x.header, name=x.name, compression_type="GZIP_2")
            if isinstance(x, fits.ImageHDU)
            else x.copy()
            for x in hdus
        ]
        fits.HDUList(new).writeto(path.with_name(f"{path.name}.fz"))
    path.unlink()


def as_zbest(coadd):
    redrock = coadd.with_name(coadd.name.replace("coadd", "redrock"))
    with fits.open(redrock) as hdus:
        hdus["REDSHIFTS"].name = "ZBEST"
        hdus.writeto(redrock.with_name(redrock.name.replace("redrock", "zbest")))
    redrock.unlink()


@pytest.mark.parametrize(
    "change",
    [
        packed,
        fpacked,
        as_zbest,
        lambda coadd: packed(coadd.with_name(coadd.name.replace("coadd", "redrock"))),
    ],
    ids=["coadd.gz", "coadd.fz", "zbest", "redrock.gz"],
)
def test_packed_and_older_files_are_the_same_files(tmp_path, change):
    coadd = write_pair(tmp_path, [1, 2, 3], redshifts={"Z": np.array([0.1, 0.2, 0.3])})
    _, plain = made(tmp_path)
    change(coadd)
    summary, table = made(tmp_path)
    assert summary.num_with_redshift == 3 and not summary.faults
    assert table.to_pandas().equals(plain.to_pandas())


def test_what_is_not_read_is_named(tmp_path):
    coadd = write_pair(tmp_path, [1, 2], redrock=False)
    for name in ("spectra-main-dark-7.fits.gz", "coadd-main-dark-7.fits.gz", "zall-pix-iron.fits"):
        (tmp_path / name).write_bytes(coadd.read_bytes())
    summary, _ = made(tmp_path)
    assert summary.num_with_redshift == 0
    kinds = [phrase.split(" (")[0] for phrase in summary.not_read]
    assert kinds == ["1 coadd-*.fits.gz", "1 spectra-*.fits.gz", "1 zall-*.fits"]


def without(name):
    def change(path):
        with fits.open(path) as hdus:
            fits.HDUList([x.copy() for x in hdus if x.name != name]).writeto(path, overwrite=True)

    return change


@pytest.mark.parametrize(
    ("change", "num_spectra", "said"),
    [
        (without("B_FLUX"), 5, "HDU B_FLUX is missing"),
        (without("Z_WAVELENGTH"), 5, "HDU Z_WAVELENGTH is missing"),
        (without("FIBERMAP"), 3, "HDU FIBERMAP is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:9000]), 3, "cut off"),
        (lambda path: fits.setval(path, "BUNIT", value="Jy", extname="R_FLUX"), 5, "BUNIT 'Jy'"),
    ],
    ids=["flux", "wave", "fibermap", "cut", "unit"],
)
def test_a_bad_coadd_is_set_aside_and_the_others_go_on(tmp_path, change, num_spectra, said):
    write_pair(tmp_path, [1, 2, 3])
    bad = write_pair(tmp_path, [4, 5], program="bright")
    change(bad)
    summary, table = made(tmp_path)
    assert column(table, "targetid").tolist() == [1, 2, 3]
    assert summary.num_spectra == num_spectra
    assert list(summary.faults) == [bad.name] and said in summary.faults[bad.name]
    (tmp_path / "coadd-main-dark-7.fits").unlink()
    with pytest.raises(ValueError, match=said) as caught:
        made(tmp_path)
    assert str(bad) in str(caught.value)


def test_a_bad_redshift_file_leaves_spectra_without_labels(tmp_path):
    write_pair(tmp_path, [1, 2, 3])
    bad = write_pair(tmp_path, [4, 5], program="bright")
    bad = bad.with_name(bad.name.replace("coadd", "redrock"))
    without("REDSHIFTS")(bad)
    summary, table = made(tmp_path)
    assert (summary.num_rows, summary.num_with_redshift) == (5, 3)
    assert summary.faults == {bad.name: "HDU REDSHIFTS is missing"}
    assert np.isnan(column(table, "z")).sum() == 2


@pytest.mark.parametrize("place", [(np.nan, 2.0), (150.0, np.inf), (150.0, -91.0), (-999.0, -99.0)])
def test_a_target_without_position_is_rejected(tmp_path, place):
    fibermap = {"TARGET_RA": np.array([150.0, place[0]]), "TARGET_DEC": np.array([2.0, place[1]])}
    write_pair(tmp_path, [1, 2], fibermap=fibermap)
    summary, table = made(tmp_path)
    assert summary.rejects == {"no position": 1}
    assert column(table, "targetid").tolist() == [1]
