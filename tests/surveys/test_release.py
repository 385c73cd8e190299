import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ojala.physics.jpas_filters import ARCHIVE_I_WAVE
from ojala.surveys.release import is_photometry, mocks, photometry
from ojala.tables.rejects import Rejects
from ojala.tables.shards import (
    CATEGORICAL,
    Columns,
    as_table,
    codes_given,
    column,
    jpas_schema,
    mocks_schema,
)
from ojala.training_set.jpas_table import table
from ojala.vocabulary.bands import broad_bands, narrow_bands
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, vocabulary

TOKENS = [band.token for band in narrow_bands()]
BROAD = [band.token for band in broad_bands()]


def make_mocks(num_rows: int = 23, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {}
    for token in vocabulary():
        if token in CATEGORICAL:
            columns[token] = rng.integers(0, len(CATEGORICAL[token]), num_rows)
        else:
            columns[token] = rng.uniform(0, 2, num_rows)
            columns[f"{token}_ERR"] = rng.uniform(0.1, 0.2, num_rows)
    columns["prob"], columns["prob2"] = rng.uniform(0, 1, (2, num_rows))
    columns["LOGMASS_DAS_PAN25"] = rng.uniform(7, 10, num_rows)
    columns["LOGMASS_DAS_PAN25_ERR"] = np.full(num_rows, 0.3)
    frame = pd.DataFrame(columns)
    stars = frame["SPECTYPE"].to_numpy() == CLASSES.index("STAR")
    frame.loc[stars, ["Z_GAL", "LOGM"]] = np.nan
    return frame


def write(frame: pd.DataFrame, path: Path, stored: str) -> Path:
    frame.to_hdf(path, key="data", format=stored)
    return path


def joined(blocks) -> Columns:
    blocks = list(blocks)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


@pytest.mark.parametrize("stored", ["fixed", "table"])
@pytest.mark.parametrize("rows_per_block", [4, 1000])
def test_mocks_are_what_the_stores_hold(tmp_path: Path, stored: str, rows_per_block: int):
    frames = [make_mocks(seed=1), make_mocks(seed=2)]
    for position, frame in enumerate(frames):
        write(frame, tmp_path / f"pseudo_batch_{position}.h5", stored)
    columns = joined(mocks(tmp_path, Rejects(), rows_per_block=rows_per_block))
    frame = pd.concat(frames, ignore_index=True)
    for token in vocabulary():
        assert np.allclose(columns[token], frame[token], rtol=1e-6, equal_nan=True), token
    assert np.allclose(columns["J0660_ERR"], frame["J0660_ERR"], rtol=1e-6)
    assert np.array_equal(columns["weight"], frame["prob2"])
    assert np.allclose(columns["LOGMASS_DAS_PAN25"], frame["LOGMASS_DAS_PAN25"])
    assert columns["targetid"].tolist() == list(range(46))


def test_mocks_are_rows_of_the_training_table(tmp_path: Path):
    write(make_mocks(), tmp_path / "pseudo_batch_0.h5", "fixed")
    written = as_table(joined(mocks(tmp_path, Rejects())), mocks_schema())
    assert written.num_rows == 23
    spectype, z = column(written, "spectype"), column(written, "z")
    for name, token in (("GALAXY", "Z_GAL"), ("QSO", "Z_QSO")):
        chosen = spectype == name
        assert np.allclose(z[chosen], column(written, token)[chosen])
    assert np.isnan(z[spectype == "STAR"]).all()


def test_keys_that_a_release_gives_are_kept(tmp_path: Path):
    frame = make_mocks()
    frame["TARGETID"], frame["TARGET_RA"] = 39627000 + np.arange(23), np.linspace(0, 359, 23)
    write(frame, tmp_path / "mocks.h5", "fixed")
    columns = joined(mocks(tmp_path / "mocks.h5", Rejects()))
    assert np.array_equal(columns["targetid"], frame["TARGETID"])
    assert np.array_equal(columns["ra"], frame["TARGET_RA"])


def test_classes_may_be_words_and_those_without_are_set_aside(tmp_path: Path):
    frame = make_mocks()
    frame["SPECTYPE"] = [CLASSES[code] for code in frame["SPECTYPE"]]
    frame.loc[[3, 20], "SPECTYPE"] = None
    write(frame, tmp_path / "mocks.h5", "table")
    rejects = Rejects()
    columns = joined(mocks(tmp_path, rejects, rows_per_block=5))
    assert len(columns["SPECTYPE"]) + len(rejects) == 23
    assert (rejects.row, rejects.reason) == ([3, 20], ["no class"] * 2)
    words = [CLASSES[code] for code in columns["SPECTYPE"]]
    assert words == frame["SPECTYPE"].drop([3, 20]).tolist()


def test_a_bad_store_is_one_sentence_with_its_name(tmp_path: Path):
    with pytest.raises(ValueError, match="no HDF5 mocks found"):
        list(mocks(tmp_path, Rejects()))
    path = tmp_path / "mocks.h5"
    write(make_mocks(), path, "fixed")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"mocks.h5: not a readable HDF5 store"):
        list(mocks(path, Rejects()))
    path.unlink()
    make_mocks().to_hdf(path, key="other")
    with pytest.raises(ValueError, match=r"mocks.h5: key 'data' is missing"):
        list(mocks(path, Rejects()))
    path.unlink()
    write(make_mocks().drop(columns="SPECTYPE"), path, "fixed")
    with pytest.raises(ValueError, match=r"mocks.h5: column SPECTYPE is missing"):
        list(mocks(path, Rejects()))
    path.unlink()
    frame = make_mocks()
    frame.loc[7, "MORPHTYPE"] = 6
    write(frame, path, "fixed")
    with pytest.raises(ValueError, match="column MORPHTYPE, row 8: code 6"):
        list(mocks(path, Rejects(), rows_per_block=5))


@pytest.mark.parametrize("stored", ["fixed", "table"])
def test_a_store_is_never_in_memory_as_a_whole(tmp_path: Path, stored: str):
    frame = make_mocks(10_000)
    path = write(frame, tmp_path / "mocks.h5", stored)
    size = frame.memory_usage().sum()
    del frame
    tracemalloc.start()
    num_rows = sum(len(block["weight"]) for block in mocks(path, Rejects(), rows_per_block=500))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert num_rows == 10_000
    assert peak < size / 2


def make_photometry(num_rows: int = 17, *, ratios: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    i_flux = rng.uniform(15, 400, num_rows)
    columns = {
        "TILE_ID": np.full(num_rows, 9611),
        "NUMBER": np.arange(num_rows),
        "ALPHA_J2000": rng.uniform(240, 250, num_rows),
        "DELTA_J2000": rng.uniform(43, 44, num_rows),
        "AUTO_iSDSS": 1.3 * i_flux,
        "APER_COR_3_0_iSDSS": i_flux,
        "APER_COR_3_0_iSDSS_ERR": np.full(num_rows, 0.5),
        "MORPHTYPE": np.array(["PSF", "REX", "SER"])[np.arange(num_rows) % 3],
        "MAG_ISO": np.full(num_rows, 20.0),
    }
    for token in TOKENS:
        shape = rng.uniform(0.5, 1.2, num_rows)
        columns[f"APER_COR_3_0_{token}"] = shape if ratios else shape * i_flux
        columns[f"APER_COR_3_0_{token}_ERR"] = 0.05 * shape * (1 if ratios else i_flux)
    for token in BROAD:
        columns[token] = rng.uniform(17, 23, num_rows)
    frame = pd.DataFrame(columns)
    frame.loc[2, [f"APER_COR_3_0_{token}" for token in TOKENS[:5]]] = np.nan
    frame.loc[5, "MAG_i"] = np.nan
    return frame


@pytest.mark.parametrize("ratios", [False, True])
def test_photometry_is_over_i_whether_the_file_holds_fluxes_or_ratios(tmp_path: Path, ratios: bool):
    frame, other = make_photometry(ratios=ratios), make_photometry(ratios=True)
    frame.to_csv(tmp_path / "edr.csv", index=False)
    columns = joined(photometry(tmp_path / "edr.csv", rows_per_block=5))
    for token in TOKENS:
        expected = other[f"APER_COR_3_0_{token}"]
        assert np.allclose(columns[token], expected, rtol=1e-5, equal_nan=True)
        observed = np.isfinite(expected)
        assert (columns[f"{token}_ERR"][observed] > 0.04 * expected[observed]).all()
    assert np.allclose(columns["AUTO_iSDSS"], frame["AUTO_iSDSS"])
    assert as_table(columns, jpas_schema()).num_rows == 17


def test_the_released_photometry_goes_through_the_same_selection(tmp_path: Path):
    path = tmp_path / "edr.csv"
    make_photometry().to_csv(path, index=False)
    assert is_photometry(path)
    rejects = Rejects()
    columns = joined(table(path, None, rejects, rows_per_block=4))
    assert len(columns["ra"]) + len(rejects) == 17
    reasons = dict(zip(rejects.source_id, rejects.reason, strict=True))
    assert reasons == {"9611-2": "fewer than 50 bands", "9611-5": "no i-band flux"}


def test_the_total_i_flux_follows_from_the_magnitude_where_it_is_not_given(tmp_path: Path):
    frame = make_photometry(ratios=True).drop(columns="AUTO_iSDSS")
    frame.to_csv(tmp_path / "edr.csv", index=False)
    columns = joined(photometry(tmp_path / "edr.csv"))
    f_nu = 3631e-23 * 10 ** (-0.4 * frame["MAG_i"])
    expected = f_nu * 2.99792458e18 / ARCHIVE_I_WAVE**2 / 1e-19
    assert np.allclose(columns["AUTO_iSDSS"], expected, rtol=1e-5, equal_nan=True)


def test_errors_may_be_called_otherwise_or_be_absent(tmp_path: Path):
    path = tmp_path / "edr.csv"
    frame = make_photometry()
    frame.columns = [
        name.replace("COR_3_0_", "COR_3_0_ERR_")[:-4] if name.endswith("_ERR") else name
        for name in frame.columns
    ]
    frame.to_csv(path, index=False)
    assert np.isfinite(joined(photometry(path))["J0660_ERR"]).all()
    frame[[name for name in frame.columns if "_ERR" not in name]].to_csv(path, index=False)
    with pytest.warns(UserWarning, match="no errors of APER_COR_3_0 found"):
        columns = joined(photometry(path))
    assert np.isnan(columns["J0660_ERR"]).all()


@pytest.mark.parametrize("name", ["APER_COR_3_0_J0660", "MAG_W1", "APER_COR_3_0_iSDSS"])
def test_a_column_that_is_missing_is_named(tmp_path: Path, name: str):
    make_photometry().drop(columns=name).to_csv(tmp_path / "edr.csv", index=False)
    with pytest.raises(ValueError, match=f"edr.csv: column {name} is missing"):
        joined(photometry(tmp_path / "edr.csv"))


@pytest.mark.parametrize("stored", ["HDF5", "CSV"])
def test_types_of_older_releases_are_taken_as_the_predictor_takes_them(tmp_path: Path, stored: str):
    names = ["PSF", "GPSF", "SIMP", "comp", "DUP", "", "ser ", "GGAL"]
    right = [MORPHTYPES.index(name) for name in ("PSF", "PSF", "REX", "SER")]
    right += [-1, -1, MORPHTYPES.index("SER"), MORPHTYPES.index("GGAL")]
    catalogue = {"MORPHTYPE": np.array(names, dtype=object)}
    assert codes_given(catalogue["MORPHTYPE"], "MORPHTYPE").tolist() == right
    if stored == "HDF5":
        frame = make_mocks(8).astype({"MORPHTYPE": object})
        frame["MORPHTYPE"] = names
        columns = joined(mocks(write(frame, tmp_path / "mocks.h5", "fixed"), Rejects()))
    else:
        frame = make_photometry(8)
        frame["MORPHTYPE"] = names
        frame.to_csv(tmp_path / "edr.csv", index=False)
        columns = joined(photometry(tmp_path / "edr.csv", rows_per_block=3))
    assert columns["MORPHTYPE"].tolist() == right


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("MORPHTYPE", "SPIRAL", "column MORPHTYPE, row 6: 'SPIRAL' is not one of DEV"),
        ("TILE_ID", "", "column TILE_ID, row 6 is None, expected an integer"),
        ("NUMBER", "7.5", "column NUMBER, row 6 is 7.5, expected an integer"),
    ],
)
def test_a_cell_that_makes_no_sense_is_named_by_its_row(tmp_path: Path, column, value, said):
    frame = make_photometry().astype({column: object})
    frame.loc[5, column] = value
    frame.to_csv(tmp_path / "edr.csv", index=False)
    with pytest.raises(ValueError, match=rf"edr.csv: {said}"):
        joined(photometry(tmp_path / "edr.csv", rows_per_block=4))


def test_ids_of_the_release_are_exact(tmp_path: Path):
    big = 39_627_652_591_521_181
    frame = make_photometry()
    frame["TILE_ID"] = big + np.arange(17)
    frame.to_csv(tmp_path / "edr.csv", index=False)
    assert joined(photometry(tmp_path / "edr.csv"))["tile_id"].tolist() == [
        big + k for k in range(17)
    ]
    stored = make_mocks()
    stored["TARGETID"] = big + np.arange(23)
    write(stored, tmp_path / "mocks.h5", "fixed")
    assert joined(mocks(tmp_path / "mocks.h5", Rejects()))["targetid"].tolist() == [
        big + k for k in range(23)
    ]
    stored = stored.astype({"TARGETID": float})
    write(stored, tmp_path / "mocks.h5", "fixed")
    with pytest.raises(ValueError, match=r"mocks.h5: column TARGETID, row 1 is .* expected an int"):
        joined(mocks(tmp_path / "mocks.h5", Rejects()))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "csv.bz2", "csv.xz"])
def test_the_csv_may_be_written_otherwise(tmp_path: Path, delimiter: str, suffix: str):
    frame, path = make_photometry(), tmp_path / f"edr.{suffix}"
    frame.rename(columns=str.lower).to_csv(path, index=False, sep=delimiter, encoding="utf-8-sig")
    assert is_photometry(path)
    columns = joined(photometry(path, rows_per_block=5))
    assert columns["number"].tolist() == list(range(17))
    assert np.allclose(columns["MAG_W1"], frame["MAG_W1"], rtol=1e-6)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path):
    text = make_photometry().to_csv(index=False)
    text = text.replace("MAG_ISO", "MAG_W1", 1)
    (tmp_path / "edr.csv").write_text(text)
    with pytest.raises(ValueError, match=r"edr.csv: .*column 'MAG_W1' is there twice"):
        list(table(tmp_path / "edr.csv", None, Rejects()))
