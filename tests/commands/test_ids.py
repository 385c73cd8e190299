"""Names of sources come through every command to the last digit; null is no name."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from foreign_tables import FORMATS, written
from toy_heads import toy_bundle, toy_photometry

from ojala.cli import main
from ojala.commands.fetch_desi import pixels_of
from ojala.heads.labels import joined, read_labels
from ojala.physics.jpas_filters import FILTERS
from ojala.surveys.jpas.dual_mode import read_dual
from ojala.surveys.legacy import BANDS, Legacy
from ojala.tables.files import read_table_file, write_table_file
from ojala.vocabulary.quantities import CLASSES

BIG = 39_627_652_591_521_181  # odd, and beyond 2**53: a float64 cannot hold it
HUGE = 2**64 - 59
FIRST = 39_627_000_000_000_000  # of toy_photometry

IDS = {
    "int64": [BIG, None, BIG + 1, -(2**63) + 1],
    "uint64": [HUGE, None, HUGE - 1, 0],
    "text": ["00000001", "1e5", "00000002", "J0012+03"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("models") / "ojala")


def ids_of(path):
    """The ids of a written catalogue, by a reader that is not ours wherever there is one."""
    if path.suffix == ".csv":
        with path.open() as file:
            return [row["TARGETID"] or None for row in csv.DictReader(file)]
    if path.suffix == ".parquet":
        return pq.read_table(path)["TARGETID"].to_pylist()
    table = Table.read(path) if path.suffix != ".vot" else Table.read(path, format="votable")
    return table["TARGETID"].tolist()


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("out_suffix", FORMATS)
def test_predict_gives_back_64_bits_and_nulls(model, suffix, out_suffix, tmp_path):
    columns = {"TARGETID": IDS["int64"], "MAG_i": [20.0, 19.0, 21.0, 18.5]}
    path = written(columns, tmp_path / f"in.{suffix}")
    out = tmp_path / f"out.{out_suffix}"
    asked = ["--bundle", str(model), "--out", str(out), "--queries", "Z_GAL"]
    assert main(["predict", str(path), *asked]) == 0
    right = IDS["int64"]
    if out_suffix == "csv":
        right = [None if value is None else str(value) for value in right]
    assert ids_of(out) == right
    assert str(read_table_file(out)["TARGETID"].type) == "int64"


@pytest.mark.parametrize("kind", ["uint64", "text"])
@pytest.mark.parametrize("suffix", ["parquet", "csv", "ecsv", "fits"])
@pytest.mark.parametrize("out_suffix", ["parquet", "csv", "ecsv", "fits"])
def test_predict_gives_back_unsigned_and_text_ids(model, kind, suffix, out_suffix, tmp_path):
    ids = pa.array(IDS[kind], pa.uint64() if kind == "uint64" else pa.string())
    path, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{out_suffix}"
    write_table_file(pa.table({"TARGETID": ids, "MAG_i": [20.0, 19.0, 21.0, 18.5]}), path)
    asked = ["--bundle", str(model), "--out", str(out), "--queries", "Z_GAL"]
    assert main(["predict", str(path), *asked]) == 0
    assert read_table_file(out)["TARGETID"].to_pylist() == IDS[kind]
    if out_suffix == "csv":
        assert ids_of(out) == [None if v is None else str(v) for v in IDS[kind]]


def test_an_unsigned_id_that_a_votable_cannot_hold_is_refused(model, tmp_path, capsys):
    path, out = tmp_path / "in.parquet", tmp_path / "out.vot"
    pq.write_table(pa.table({"id": pa.array([HUGE], pa.uint64()), "MAG_i": [20.0]}), path)
    assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 1
    assert f"{out}: VOTable cannot hold column id: a whole number" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("suffix", FORMATS)
def test_labels_find_their_own_source_among_neighbours(suffix, tmp_path):
    toy_photometry(tmp_path / "photometry.parquet", 40)  # ids FIRST, FIRST + 1, ...
    ids = [FIRST + 31, FIRST + 8, FIRST + 40]  # the last is nobody's
    path = written({"TARGETID": ids, "MASS": [8.5, 7.5, 6.5]}, tmp_path / f"labels.{suffix}")
    found = joined(read_labels(path, "MASS"), tmp_path / "photometry.parquet", CLASSES)
    assert found.photometry["targetid"].to_pylist() == [FIRST + 8, FIRST + 31]
    assert found.value.tolist() == [7.5, 8.5]


@pytest.mark.parametrize("suffix", FORMATS)
def test_labels_of_nobody_are_refused(suffix, model, tmp_path, capsys):
    toy_photometry(tmp_path / "photometry.parquet", 40)
    ids = [FIRST + 1, None, FIRST + 2]
    path = written({"TARGETID": ids, "MASS": [8.5, 7.5, 6.5]}, tmp_path / f"labels.{suffix}")
    asked = ["--quantity", "MASS", "--name", "mass", "--bundle", str(model)]
    asked += ["--photometry", str(tmp_path / "photometry.parquet"), "--out", str(tmp_path / "head")]
    assert main(["finetune", str(path), *asked]) == 1
    said = capsys.readouterr().err
    assert said == f"ojala finetune: {path}: column TARGETID, row 2: a source without a name\n"
    assert not (tmp_path / "head").exists()


def test_a_label_never_meets_a_source_without_a_name_or_another_sign(tmp_path):
    photometry = tmp_path / "photometry.parquet"
    ids = pa.array([None, -1, 0, 7, None], pa.int64())
    pq.write_table(pa.table({"targetid": ids, "MAG_i": [20.0] * 5}), photometry)
    given = pa.array([2**64 - 1, 2**63, 7], pa.uint64())
    write_table_file(pa.table({"TARGETID": given, "M": [1.0, 2.0, 3.0]}), tmp_path / "l.fits")
    found = joined(read_labels(tmp_path / "l.fits", "M"), photometry, CLASSES)
    assert (found.photometry["targetid"].to_pylist(), found.value.tolist()) == ([7], [3.0])
    pq.write_table(pa.table({"TARGETID": [0, -1], "M": [1.0, 2.0]}), tmp_path / "zero.parquet")
    found = joined(read_labels(tmp_path / "zero.parquet", "M"), photometry, CLASSES)
    assert (found.photometry["targetid"].to_pylist(), found.value.tolist()) == ([-1, 0], [2.0, 1.0])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "vot", "fits"])
def test_text_is_no_name_of_a_labelled_source(suffix, tmp_path):
    columns = {"TARGETID": ["00000001", "00000002"], "MASS": [8.5, 7.5]}
    path = written(columns, tmp_path / f"labels.{suffix}")
    with pytest.raises(ValueError, match="column TARGETID is not a column of whole numbers"):
        read_labels(path, "MASS")


def dual(tile_id, number):
    flux = np.full((len(number), len(FILTERS)), 3.5)
    arrays = {f"flux_{aperture}": flux for aperture in ("auto", "aper_cor_3_0")}
    arrays |= {f"flux_relerr_{aperture}": flux / 100 for aperture in ("auto", "aper_cor_3_0")}
    place = {"alpha_j2000": [198.5] * len(number), "delta_j2000": [25.5] * len(number)}
    return {"tile_id": tile_id, "number": number, **place, **arrays, "elements": FILTERS}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "fits", "vot"])
def test_jpas_keys_are_exact_and_a_null_is_refused(suffix, tmp_path, capsys):
    path = written(dual([BIG, BIG + 1], [BIG + 3, BIG + 2]), tmp_path / f"dual.{suffix}")
    out = tmp_path / "jpas.parquet"
    assert main(["jpas", str(path), "--out", str(out)]) == 0
    table = pq.read_table(out)
    assert table["tile_id"].to_pylist() == [BIG, BIG + 1]
    assert table["number"].to_pylist() == [BIG + 3, BIG + 2]
    out.unlink()
    written(dual([BIG, BIG, BIG], [1, 2, None]), path)
    capsys.readouterr()
    assert main(["jpas", str(path), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert f"{path}: column number, row 3 is None, expected an integer" in said
    assert not out.exists()


@pytest.mark.parametrize("suffix", ["parquet", "fits"])
def test_jpas_keys_of_other_types(suffix, tmp_path):
    path = tmp_path / f"dual.{suffix}"
    plain = dual([0, 0], [1, 2])
    for kind, given, right in (
        (pa.uint64(), [BIG, 5], [BIG, 5]),
        (pa.string(), ["00002241", str(BIG)], [2241, BIG]),
        (pa.float64(), [2241.0, 2242.0], [2241, 2242]),
    ):
        columns = {n: v if isinstance(v, list) else list(v) for n, v in plain.items()}
        del columns["elements"]
        columns["tile_id"] = pa.array(given, kind)
        write_table_file(pa.table(columns), path)
        (block,) = read_dual(path)
        assert block.tile_id.tolist() == right and block.tile_id.dtype == np.int64
    for kind, given in ((pa.uint64(), [1, HUGE]), (pa.float64(), [1.0, 2.0**60])):
        columns["tile_id"] = pa.array(given, kind)
        write_table_file(pa.table(columns), path)
        with pytest.raises(ValueError, match=r"column tile_id, row 2 is .*expected an integer"):
            list(read_dual(path))


@pytest.mark.parametrize("suffix", FORMATS)
def test_ids_of_a_sweep_do_no_harm_and_a_flux_that_is_null_is_none(suffix, tmp_path):
    columns = {"BRICKID": IDS["int64"], "RA": 10.5 + np.arange(4), "DEC": np.full(4, 0.5)}
    columns["TYPE"] = ["PSF", "DUP", "COMP", "SIMP"]
    for band in BANDS:
        columns |= {f"FLUX_{band}": [1, None, 100, None], f"FLUX_IVAR_{band}": [4, 4, None, 4]}
    path = written(columns, tmp_path / f"sweep.{suffix}")
    found = Legacy(path).match(columns["RA"], columns["DEC"])
    assert found["MORPHTYPE"].tolist() == [3, -1, 5, 4]  # PSF, SER, REX; DUP is nobody's
    assert found["MAG_G"].tolist() == pytest.approx([22.5, np.nan, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_pixel_that_is_null_is_none(suffix, tmp_path):
    path = written({"HEALPIX": [27247, None, 5, -1, 27247]}, tmp_path / f"t.{suffix}")
    assert pixels_of(path) == [5, 27247]


@pytest.mark.parametrize(
    ("pixels", "right"),
    [
        (pa.array([27247, None], pa.uint64()), [27247]),
        (pa.array([27247.0, np.nan]), [27247]),
        (pa.array(["00027247", "5"]), [5, 27247]),
        (pa.array([1, 12 * 64**2]), "row 2 is 49152, expected a pixel of nside 64, 0 ... 49151"),
        (pa.array([1, BIG]), f"row 2 is {BIG}, expected a pixel"),
        (pa.array([1, -2]), "row 2 is -2, expected a pixel"),
        (pa.array([1.0, 2.5]), "row 2 is 2.5, expected an integer"),
        (pa.array(["1", "north"]), "row 2 is north, expected an integer"),
    ],
)
def test_pixels_of_other_types(pixels, right, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"healpix": pixels}), path)
    if isinstance(right, list):
        assert pixels_of(path) == right
        return
    with pytest.raises(ValueError) as raised:
        pixels_of(path)
    assert str(raised.value).startswith(f"{path}: column healpix, {right}")
