"""Every command that reads a table reads it however it was written, or refuses it by name."""

import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from foreign_tables import READ, REFUSED, written
from toy_heads import toy_bundle

from ojala.cli import main
from ojala.commands.fetch_desi import pixels_of
from ojala.heads.labels import read_labels
from ojala.physics.jpas_filters import FILTERS
from ojala.surveys.jpas.dual_mode import read_dual
from ojala.surveys.legacy import BANDS, read_sweep
from ojala.vocabulary.quantities import MORPHTYPES

NUM, FIRST = 4, 39_627_652_591_521_181
IDS = [FIRST + k for k in range(NUM)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("models") / "ojala")


def catalogue():
    light = {"J0500": [0.8, 1.5, 0.4, 1.1], "MAG_G": [20.5, 19.25, 22.5, 18.75]}
    return {"TARGETID": IDS, "MAG_i": [19.5, 18.25, 21.5, 17.75], **light}


def answered(path, model):
    """Ids, magnitudes and redshifts of ``ojala predict``."""
    out = path.with_name("out.parquet")
    asked = ["--bundle", str(model), "--out", str(out), "--queries", "Z_GAL"]
    assert main(["predict", str(path), *asked]) == 0
    table = pq.read_table(out)
    out.unlink()
    columns = {name: table[name].to_pylist() for name in ("TARGETID", "MAG_i")}
    assert len(set(table["Z_GAL"].to_pylist())) == NUM
    return columns | {"Z_GAL": np.round(table["Z_GAL"].to_numpy(), 4).tolist()}


def mass_table():
    return {"TARGETID": IDS, "MASS": [8.5, 7.25, 9.5, 6.75]}


def labels(path, _):
    read = read_labels(path, "MASS")
    return dict(zip(read.keys["targetid"].tolist(), read.value.tolist(), strict=True))


def dual():
    flux = np.arange(1.0, NUM + 1)[:, None] * np.linspace(2, 4, len(FILTERS))
    err = np.full(flux.shape, 0.02)
    return {
        "tile_id": np.array(IDS),
        "number": np.arange(NUM) + 1,
        "alpha_j2000": 198.5 + np.arange(NUM),
        "delta_j2000": np.full(NUM, 25.5),
        "flux_auto": flux,
        "flux_relerr_auto": err,
        "flux_aper_cor_3_0": flux,
        "flux_relerr_aper_cor_3_0": err,
        "elements": FILTERS,
    }


def detections(path, _):
    (block,) = read_dual(path)
    assert np.allclose(block.flux, dual()["flux_auto"], rtol=1e-6)
    return block.tile_id.tolist(), block.number.tolist(), block.ra.tolist()


def sweep():
    columns = {"RA": 10.5 + np.arange(NUM), "DEC": np.full(NUM, 0.5)}
    columns["TYPE"] = np.array(["PSF", "REX", "COMP", "SIMP"])
    for band in BANDS:
        columns |= {f"FLUX_{band}": 10.0 ** np.arange(NUM), f"FLUX_IVAR_{band}": np.full(NUM, 4.5)}
    return columns


def magnitudes(path, _):
    read = read_sweep(path).columns
    types = [MORPHTYPES[code] for code in read["MORPHTYPE"]]
    return types, np.round(read["MAG_W1"], 4).tolist()


def pixel_table():
    return {"healpix": [27247, 5, 27247, 12 * 64**2 - 1], "weight": [0.5, 0.25, 0.5, 0.5]}


def pixels(path, _):
    return pixels_of(path)


ENTRIES = {
    "predict": (catalogue, answered),
    "labels": (mass_table, labels),
    "jpas": (dual, detections),
    "Legacy": (sweep, magnitudes),
    "--healpix-of": (pixel_table, pixels),
}

RIGHT = {
    "labels": dict(zip(IDS, [8.5, 7.25, 9.5, 6.75], strict=True)),
    "jpas": (IDS, [1, 2, 3, 4], [198.5, 199.5, 200.5, 201.5]),
    "Legacy": (["PSF", "REX", "SER", "REX"], [22.5, 20.0, 17.5, 15.0]),
    "--healpix-of": [5, 27247, 49151],
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("layout", READ)
def test_a_table_is_read_however_it_was_written(entry, layout, model, tmp_path):
    made, read = ENTRIES[entry]
    found = read(READ[layout](made(), tmp_path), model)
    if entry != "predict":
        assert found == RIGHT[entry]
        return
    assert found["TARGETID"] == IDS and found["MAG_i"] == catalogue()["MAG_i"]
    assert found == read(written(made(), tmp_path / "plain.parquet"), model)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("layout", REFUSED)
def test_what_is_in_doubt_is_refused_in_one_sentence(entry, layout, model, tmp_path, capsys):
    made, read = ENTRIES[entry]
    dressed, words = REFUSED[layout]
    path = dressed(made(), tmp_path)
    if entry == "predict":
        out = tmp_path / "out.parquet"
        assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 1
        said = capsys.readouterr().err.strip().removeprefix("ojala predict: ")
        assert not out.exists()
    else:
        with pytest.raises(ValueError) as raised:
            read(path, model)
        said = str(raised.value)
    assert said.startswith(f"{path}: ") and "\n" not in said
    assert re.search(words, said), said


@pytest.mark.parametrize(
    ("entry", "name", "said"),
    [
        ("labels", "targetid", "column targetid is there twice, case does not count"),
        ("jpas", "NUMBER", r"column number is there twice \(number and NUMBER"),
        ("Legacy", "flux_w1", r"column flux_w1 is there twice \(FLUX_W1 and flux_w1"),
        ("--healpix-of", "HEALPix", r"column healpix is there twice \(healpix and HEALPix"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet", "vot"])
def test_names_that_differ_in_case_are_refused(entry, name, said, suffix, tmp_path):
    made, read = ENTRIES[entry]
    columns = made()
    twin = next(values for other, values in columns.items() if other.lower() == name.lower())
    path = written(columns | {name: twin}, tmp_path / f"t.{suffix}")
    with pytest.raises(ValueError, match=said):
        read(path, None)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_a_packed_page_of_a_directory_is_not_passed_over(packing, tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    written(dual(), pages / "a.csv")
    packed = READ[f"fits.{packing}"](dual() | {"number": np.arange(NUM) + 9}, tmp_path)
    shutil.move(packed, pages / f"b.fits.{packing}")
    numbers = [block.number.tolist() for block in read_dual(pages)]
    assert numbers == [[1, 2, 3, 4], [9, 10, 11, 12]]
