import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from ojala.catalogue.datamodel import page
from ojala.catalogue.vac import HEADER_KEYS, write_vac
from ojala.tables.shards import jpas_schema
from ojala.vocabulary.catalogue_columns import VacColumn, vac_column
from ojala.vocabulary.quantities import queries

PROVENANCE = {"model_version": "3", "run_id": "abc", "mocks_digest": "d41d8", "created": "now"}


def catalogue(num=4):
    return {
        "tile_id": np.full(num, 9, dtype=np.int32),
        "number": np.arange(num, dtype=np.int32),
        "ra": np.linspace(0, 1, num),
        "CLASS": np.array(["GALAXY", "STAR", "QSO", ""], dtype=object)[:num],
        "Z_GAL": np.linspace(0, 1, num).astype(np.float32),
        "Z_GAL_ERR": np.full(num, 0.01, dtype=np.float32),
        "FLUX_HALPHA": np.full(num, np.nan),
    }


def test_both_files_hold_the_same_rows_and_values(tmp_path):
    write_vac(tmp_path, catalogue(), PROVENANCE)
    parquet = pq.read_table(tmp_path / "ojala_vac.parquet")
    table = Table.read(tmp_path / "ojala_vac.fits", hdu=1)
    assert parquet.column_names == table.colnames == list(catalogue())
    assert table["CLASS"].tolist() == parquet.column("CLASS").to_pylist()
    assert np.array_equal(table["Z_GAL"], parquet.column("Z_GAL").to_numpy())
    assert np.all(np.isnan(parquet.column("FLUX_HALPHA").to_numpy()))


def test_columns_carry_units_ucds_and_descriptions(tmp_path):
    write_vac(tmp_path, catalogue(), PROVENANCE)
    header = fits.getheader(tmp_path / "ojala_vac.fits", 1)
    assert (header["TUNIT3"], header["TUCD3"]) == ("deg", "pos.eq.ra;meta.main")
    assert header["TCOMM6"] == "1 sigma error of Z_GAL"
    field = pq.read_schema(tmp_path / "ojala_vac.parquet").field("FLUX_HALPHA")
    assert field.metadata[b"unit"] == b"erg / (s cm2)"


def test_provenance_travels_in_both_headers(tmp_path):
    write_vac(tmp_path, catalogue(), PROVENANCE)
    header = fits.getheader(tmp_path / "ojala_vac.fits", 1)
    metadata = pq.read_schema(tmp_path / "ojala_vac.parquet").metadata
    for entry, value in PROVENANCE.items():
        assert header[HEADER_KEYS[entry][0]] == value
        assert metadata[entry.encode()] == value.encode()


def test_every_input_and_predicted_column_is_described():
    predicted = [name for name in queries() if name != "SPECTYPE"]
    errors = [f"{name}_ERR" for name in predicted]
    for name in [*jpas_schema().names, "CLASS", "P_QSO", *predicted, *errors, "LOGSFR_HA_ERR"]:
        assert vac_column(name).description


def test_an_undescribed_column_or_entry_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="column 'MYSTERY'"):
        write_vac(tmp_path, catalogue() | {"MYSTERY": np.zeros(4)}, PROVENANCE)
    with pytest.raises(ValueError, match="entry 'author'"):
        write_vac(tmp_path, catalogue(), {"author": "me"})
    assert not list(tmp_path.iterdir())


def test_a_column_that_is_not_the_catalogues_own_brings_its_meaning(tmp_path):
    mass = VacColumn(name="LOGMASS", unit="dex(solMass)", ucd="phys.mass", description="virial")
    columns = catalogue() | {"LOGMASS": np.arange(4.0), "LOGMASS_ERR": np.ones(4)}
    write_vac(tmp_path, columns, PROVENANCE, [mass])
    header = fits.getheader(tmp_path / "ojala_vac.fits", 1)
    assert [header.get(f"{card}8") for card in ("TUNIT", "TUCD", "TCOMM")] == [
        None,
        "phys.mass",
        "virial [dex(solMass)]",
    ]
    assert header["TUCD9"] == "stat.error;phys.mass"
    assert header["TCOMM9"] == "1 sigma error of LOGMASS [dex(solMass)]"
    redefined = VacColumn(name="ra", unit="rad", ucd="", description="mine")
    assert vac_column("ra", [redefined]).unit == "deg"


def test_whole_numbers_stay_whole_where_some_are_missing(tmp_path):
    counts = {"num_bands": np.array([54.0, 3.0, np.nan, 0.0]), "healpix": np.arange(4.0)}
    write_vac(tmp_path, catalogue() | counts, PROVENANCE)
    for table in (
        Table.read(tmp_path / "ojala_vac.fits"),
        pq.read_table(tmp_path / "ojala_vac.parquet").to_pandas(),
    ):
        assert table["num_bands"].tolist() == [54, 3, -1, 0]
        assert table["num_bands"].dtype.kind == table["healpix"].dtype.kind == "i"


def test_nobody_is_warned_when_the_catalogue_is_written_or_read(tmp_path):
    names = [name for name in queries() if name != "SPECTYPE"]
    columns = catalogue() | {name: np.zeros(4) for name in (*names, "LOGSFR_HA", "L_HALPHA_CORR")}
    digests = dict.fromkeys(HEADER_KEYS, "4" * 64) | {"heads": f"bh {'4' * 64}, wd {'5' * 64}"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_vac(tmp_path, columns, digests | {"git_commit": "4" * 40 + "-dirty"})
        Table.read(tmp_path / "ojala_vac.fits")
    header = fits.getheader(tmp_path / "ojala_vac.fits", 1)
    assert header["BUNDLE"] == "4" * 64 and header["HEADS"] == digests["heads"]
    assert header.comments["GITSHA"] == "commit of the code"


def test_the_data_model_page_is_what_the_tables_say():
    docs = Path(__file__).parents[2] / "docs/datamodel.md"
    assert docs.read_text() == page(), (
        "run: python -m ojala.catalogue.datamodel > docs/datamodel.md"
    )
