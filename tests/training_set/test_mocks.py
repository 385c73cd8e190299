"""Directories of DESI files: every spectrum is a row or a reject, whatever the layout."""

import numpy as np
import pytest
from astropy.io import fits
from desi_survey import flat_arms, real_directory, write_pair

from ojala.physics.synphot import flux_density
from ojala.surveys.desi.vacs import write_bhmass, write_fastspecfit, write_mws
from ojala.surveys.desi.vacs_layout import FASTSPECFIT, MWS, PAN25
from ojala.tables.shards import column, mocks_schema, read_table
from ojala.training_set.mocks import MocksConfig, mocks
from ojala.training_set.mocks_table import write, write_table
from ojala.vocabulary.bands import band


def rows_and_rejects(directory, **options):
    """All columns in one dictionary, and (TARGETID, reason) of the rejects."""
    blocks = list(mocks(directory, MocksConfig(**options)))
    filled = [block.columns for block in blocks if len(block.r_excess)]
    names = dict.fromkeys(name for columns in filled for name in columns)
    rows = {name: np.concatenate([columns[name] for columns in filled]) for name in names}
    rejects = {
        int(source): reason
        for block in blocks
        for source, reason in zip(block.rejects.source_id, block.rejects.reason, strict=True)
    }
    assert sum(block.num_spectra for block in blocks) == len(rows.get("ra", ())) + len(rejects)
    return rows, rejects


def test_every_spectrum_is_a_row_or_a_reject_with_its_reason(tmp_path):
    ids = np.array([1, 2, 3, -4, 5, 6, 7, 8])
    arms = flat_arms(np.full(8, 20.0))
    for _, flux, ivar in arms.values():
        ivar[6] = 0
        flux[7] = -1
    fibermap = {
        "OBJTYPE": np.array(["TGT", "SKY", "BAD", "", "TGT", "TGT", "TGT", "TGT"]),
        "COADD_FIBERSTATUS": np.array([0, 0, 0, 512, 8, 0, 0, 0]),
    }
    redshifts = {"ZWARN": np.array([0, 0, 0, 0, 0, 4, 0, 0])}
    write_pair(tmp_path, ids, arms=arms, fibermap=fibermap, redshifts=redshifts)
    rows, rejects = rows_and_rejects(tmp_path)
    assert rows["targetid"].tolist() == [1]
    assert rejects == {
        2: "sky fibre",
        3: "not a target",
        -4: "negative TARGETID",
        5: "bad fibre status",
        6: "redshift warning (ZWARN)",
        7: "no data",
        8: "no synthetic i",
    }


def test_a_spectrum_that_redrock_does_not_know_has_no_labels(tmp_path):
    write_pair(tmp_path, [1, 2], redrock=False)
    rows, rejects = rows_and_rejects(tmp_path)
    assert rows["SPECTYPE"].tolist() == [-1, -1] and not rejects
    assert np.all(np.isnan(rows["z"])) and np.all(np.isnan(rows["Z_GAL"]))


def test_redrock_is_joined_by_targetid_not_by_row(tmp_path):
    write_pair(
        tmp_path, [1, 2, 3], redshifts={"TARGETID": np.array([3, 1, 9]), "Z": np.arange(3.0)}
    )
    rows, _ = rows_and_rejects(tmp_path)
    assert np.allclose(rows["z"], [1.0, np.nan, 0.0], equal_nan=True)


def test_labels_of_all_catalogues_arrive(tmp_path):
    ids = np.array([1, 2, 3])
    spectype = np.array(["GALAXY", "QSO", "STAR"])
    write_pair(tmp_path, ids, redshifts={"spectype": spectype, "z": np.array([0.1, 1.2, 0.0])})
    key = {"targetid": ids, "survey": np.full(3, "main"), "program": np.full(3, "dark")}
    ones = {"FEH": -1.0, "TEFF": 5000.0, "LOGG": 2.5, PAN25: 8.5}
    for write_catalogue, name, tokens in (
        (write_fastspecfit, "fastspec-iron-main-dark.fits", [*FASTSPECFIT, "OII_3727_EW"]),
        (write_mws, "mwsall-pix-iron.fits", MWS),
        (write_bhmass, "VAC_BHmass_338_v1.7.fits", [PAN25]),
    ):
        labels = {token: np.full(3, ones.get(token, 1.0)) for token in tokens}
        errors = {f"{token}_ERR": np.full(3, 0.1) for token in tokens}
        write_catalogue(tmp_path / name, key | labels | errors)
    rows, _ = rows_and_rejects(tmp_path)
    for token, row in (("HALPHA_6562_EW", 0), ("OII_3727_EW", 0), (PAN25, 1), ("TEFF", 2)):
        assert np.array_equal(np.isfinite(rows[token]), np.arange(3) == row), token
    assert rows["FEH"][2] == pytest.approx(-1.0)
    assert rows["Z_GAL"][0] == 0.1 and rows["Z_QSO"][1] == 1.2
    i_flux = flux_density(np.array(20.0), np.array(band("MAG_i").wave))
    assert rows["HALPHA_CONT"][0] == pytest.approx(1 / i_flux, rel=0.01)  # EBV is 0: not dimmed


def test_the_deeper_of_two_programs_is_kept(tmp_path):
    write_pair(tmp_path, [1, 2, 3], program="bright", arms=flat_arms([20.0] * 3, err=0.5))
    write_pair(tmp_path, [2, 3, 4], program="dark", arms=flat_arms([20.0] * 3, err=0.1))
    rows, rejects = rows_and_rejects(tmp_path)
    assert list(zip(rows["targetid"], rows["program"], strict=True)) == [
        (1, "bright"),
        (2, "dark"),
        (3, "dark"),
        (4, "dark"),
    ]
    assert rejects == {2: "observed again in main/dark", 3: "observed again in main/dark"}


def test_a_bad_spectrum_does_not_win_over_a_good_one(tmp_path):
    write_pair(tmp_path, [1], program="bright", arms=flat_arms([20.0], err=0.5))
    write_pair(tmp_path, [1], arms=flat_arms([20.0], err=0.1), redshifts={"ZWARN": np.array([4])})
    rows, rejects = rows_and_rejects(tmp_path)
    assert rows["program"].tolist() == ["bright"]
    assert rejects == {1: "redshift warning (ZWARN)"}


def test_one_source_twice_within_a_program_is_an_error(tmp_path):
    first = write_pair(tmp_path, [1, 2])
    second = write_pair(tmp_path, [2, 3], healpix=8)
    with pytest.raises(ValueError, match="TARGETID 2 comes twice in main/dark") as caught:
        list(mocks(tmp_path))
    assert str(first) in str(caught.value) and str(second) in str(caught.value)


def test_rows_do_not_depend_on_blocks_or_processes(tmp_path):
    rng = np.random.default_rng(2)
    for healpix in range(3):
        ids = np.arange(1, 8) + 100 * healpix
        objtype = np.where(rng.uniform(size=7) < 0.3, "SKY", "TGT")
        arms = flat_arms(rng.uniform(18, 22, 7), seed=healpix)
        write_pair(tmp_path, ids, healpix=healpix, arms=arms, fibermap={"OBJTYPE": objtype})
    whole, rejects = rows_and_rejects(tmp_path)
    for options in ({"rows_per_block": 2}, {"num_workers": 2}):
        again, rejects_again = rows_and_rejects(tmp_path, **options)
        assert rejects_again == rejects
        for name, values in whole.items():
            if values.dtype.kind == "f":
                assert np.allclose(again[name], values, equal_nan=True, rtol=1e-4)
            else:
                assert np.array_equal(again[name], values)


def test_empty_tables_are_no_fault(tmp_path):
    none = np.zeros(0, int)
    write_pair(
        tmp_path,
        [1, 2],
        redshifts={
            "TARGETID": none,
            "Z": none,
            "ZERR": none,
            "ZWARN": none,
            "SPECTYPE": none.astype(str),
        },
    )
    write_pair(tmp_path, none, healpix=8)
    key = {"targetid": none, "survey": none.astype(str), "program": none.astype(str)}
    write_bhmass(tmp_path / "VAC_BHmass_338_v1.7.fits", key | {PAN25: none, f"{PAN25}_ERR": none})
    rows, rejects = rows_and_rejects(tmp_path)
    assert rows["SPECTYPE"].tolist() == [-1, -1] and not rejects


def test_the_table_has_the_schema_and_adds_up(tmp_path):
    objtype = np.array(["TGT", "SKY", "TGT"])
    write_pair(tmp_path, [1, 2, 3], fibermap={"OBJTYPE": objtype})
    out, rejects = tmp_path / "mocks.parquet", tmp_path / "rejects.parquet"
    summary = write(tmp_path, out, rejects, MocksConfig())
    table = read_table(out)
    assert table.schema.equals(mocks_schema())
    assert (summary.num_spectra, summary.num_rows, summary.rejects) == (3, 2, {"sky fibre": 1})
    assert column(table, "targetid").tolist() == [1, 3]
    assert np.all(np.isnan(column(table, "weight")))
    # A point source: the spectrum has its total flux, the fibre 78 % of it.
    assert summary.r_excess == pytest.approx(2.5 * np.log10(0.78), abs=1e-3)
    assert summary.r_point == pytest.approx(summary.r_excess, abs=1e-3)


def test_a_directory_of_shards_holds_the_same_rows(tmp_path):
    write_pair(tmp_path / "desi", [1, 2, 3])
    for out in ("mocks", "mocks.parquet"):
        write_table((block.columns for block in mocks(tmp_path / "desi")), tmp_path / out)
    shards, one = read_table(tmp_path / "mocks"), read_table(tmp_path / "mocks.parquet")
    assert shards.to_pandas().equals(one.to_pandas())


def test_the_real_files_become_rows(tmp_path):
    directory = real_directory(tmp_path)
    rows, rejects = rows_and_rejects(directory)
    good = {
        39633345008634465: ("sv1", "GALAXY"),
        39633300968442591: ("sv3", ""),
        39089837499744649: ("special", "GALAXY"),
        39627866878511337: ("sv3", ""),
        39627866878514741: ("sv3", ""),
    }
    named = zip(rows["targetid"].tolist(), rows["survey"], rows["spectype"], strict=True)
    assert {source: tuple(what) for source, *what in named} == good
    assert rejects == {
        39633297352951412: "bad fibre status",
        616088619186127404: "sky fibre",
        **dict.fromkeys((-1695072, -1695064, -1695073, -2713437, -2713415), "negative TARGETID"),
    }
    for token in ("MAG_i", "J0378", "J0660", "J0910"):
        assert np.all(np.isfinite(rows[token])), token


def test_synthetic_r_of_the_real_files_lies_between_fibre_and_total_light(tmp_path):
    directory = real_directory(tmp_path)
    for block in mocks(directory):
        for path in directory.glob("coadd-*.fits"):
            fibermap = fits.getdata(path, "FIBERMAP")
            for targetid, excess, i_err in zip(
                block.columns["targetid"], block.r_excess, block.columns["MAG_i_ERR"], strict=True
            ):
                row = np.flatnonzero(fibermap["TARGETID"] == targetid)
                if len(row) and np.isfinite(excess):
                    fibre, total = fibermap["FIBERFLUX_R"][row[0]], fibermap["FLUX_R"][row[0]]
                    lost = -2.5 * np.log10(total / fibre)  # negative: the total is brighter
                    assert lost - 3 * i_err < excess < 3 * i_err
