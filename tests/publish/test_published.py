"""What ojala publish writes is what it was given, and what others' programs read."""

import json
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from scipy.stats import norm
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.catalogue.answers import read_catalogue
from ojala.catalogue.answers_table import with_answers, with_origin
from ojala.cli import main
from ojala.measures.redshift_pdf import RedshiftPdf, gaussian
from ojala.measures.redshift_scores import crps
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.publish.hats import write_hats
from ojala.publish.mixtures import mixtures
from ojala.publish.partitions import FINEST, finest_pixels, margins, partitions
from ojala.publish.qp_ensemble import write_qp
from ojala.vocabulary.quantities import observations

OTHERS = Path(__file__).parents[2] / ".formats" / "bin" / "python"
HERE = Path(__file__).parent
NUM = 1500
FIRST = 39_627_652_591_521_181


def read_by_others(*asked):
    """What LSDB or qp say, in their own environment."""
    if not OTHERS.exists():
        pytest.skip("LSDB and qp are not here: make formats installs them")
    told = subprocess.run(
        [OTHERS, HERE / "reads_published.py", *map(str, asked)], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr[-2000:]
    return json.loads(told.stdout.splitlines()[-1])


def checker(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not here: apt-get install {name}")
    return name


def sky(num=NUM, seed=2):
    """Positions about a corner of a pixel of order 0, at the poles and 0 h, thinly elsewhere."""
    draw = np.random.default_rng(seed)
    dec = np.degrees(np.arcsin(draw.uniform(-1, 1, num)))
    ra = draw.uniform(0, 360, num)
    crowd = num // 2
    ra[:crowd] = draw.normal(45, 0.02, crowd) % 360
    dec[:crowd] = draw.normal(0, 0.02, crowd)
    dec[-2:] = 90.0, -90.0
    ra[-3] = 0.0
    return ra, dec


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("published")
    base = toy_bundle(directory / "ojala")
    light = toy_table(NUM, seed=7, missing=0.05)
    light = light.select([name for name in light.column_names if name in observations()])
    ra, dec = sky()
    table = pa.table({"TARGETID": np.arange(NUM) + FIRST, "ra": ra, "dec": dec})
    for name in light.column_names:
        table = table.append_column(name, light[name])
    answers = Predictor(bundle.load(base)).predict(light)
    table = with_answers(table, answers)
    table = with_origin(table, {"created": "2026-01-02T03:04:05+00:00", "bundle_digest": "ab" * 32})
    pq.write_table(table, directory / "cat.parquet")
    out = directory / "out"
    asked = ["publish", str(directory / "cat.parquet"), "--out", str(out), "--name", "cat"]
    assert main([*asked, "--bundle", str(base)]) == 0
    return directory


def test_every_file_holds_the_same_rows(place):
    expected = pq.read_table(place / "cat.parquet")
    assert sorted(path.name for path in (place / "out").iterdir()) == [
        "cat.fits",
        "cat.parquet",
        "cat.vot",
        "cat_hats",
        "cat_z_gal_qp.hdf5",
        "cat_z_qso_qp.hdf5",
    ]
    for suffix in ("parquet", "fits", "vot"):
        table = read_catalogue(place / "out" / f"cat.{suffix}")
        assert table.column_names == expected.column_names
        assert table["TARGETID"].to_pylist() == expected["TARGETID"].to_pylist()
        assert np.array_equal(table["Z_GAL"], expected["Z_GAL"], equal_nan=True)
        assert table["CLASS"].to_pylist() == expected["CLASS"].to_pylist()


def test_fitsverify_and_votlint_have_nothing_to_say(place):
    told = subprocess.run(
        [checker("fitsverify"), "-q", place / "out" / "cat.fits"], capture_output=True, text=True
    )
    assert told.returncode == 0 and told.stdout.startswith("verification OK"), told.stdout
    told = subprocess.run(
        [checker("stilts"), "votlint", f"votable={place / 'out' / 'cat.vot'}"],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0 and not told.stdout and "WARN" not in told.stderr, told


def test_voparquet_tells_units_and_ucds_to_astropy(place):
    table = Table.read(place / "out" / "cat.parquet", format="parquet.votable")
    assert len(table) == NUM and str(table["TEFF"].unit) == "K"
    assert table["Z_GAL"].description.startswith("Redshift if the source is a galaxy")
    metadata = pq.read_schema(place / "out" / "cat.parquet").metadata
    assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    content = metadata[b"IVOA.VOTable-Parquet.content"].decode()
    assert 'unit="K"' in content and "<DATA>" not in content and "<TR>" not in content


def separation(ra, dec, ra_0, dec_0):
    """Arcsec, by the haversine."""
    ra, dec, ra_0, dec_0 = map(np.radians, (ra, dec, ra_0, dec_0))
    half = (
        np.sin((dec - dec_0) / 2) ** 2 + np.cos(dec) * np.cos(dec_0) * np.sin((ra - ra_0) / 2) ** 2
    )
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600


def test_lsdb_opens_the_collection_and_a_cone_holds_the_rows_of_the_parquet_file(place):
    given = pq.read_table(place / "cat.parquet")
    ra, dec = given["ra"].to_numpy(), given["dec"].to_numpy()
    found = read_by_others("hats", place / "out" / "cat_hats", 45.0, 0.0, 90, FIRST + 11)
    inside = separation(ra, dec, 45.0, 0.0) <= 90
    assert sorted(found["rows"]) == given["TARGETID"].to_pylist()
    assert inside.sum() > 100
    names = given["TARGETID"].to_numpy()[inside]
    assert sorted(found["cone"]) == names.tolist()
    by_name = dict(zip(given["TARGETID"].to_pylist(), given["Z_GAL"].to_pylist(), strict=True))
    assert np.allclose(found["z"], [by_name[n] for n in found["cone"]], equal_nan=True)
    assert found["by_name"] == [FIRST + 11]
    assert set(given.column_names) <= set(found["columns"])
    assert len(found["margin"]) > 20


def test_partitions_hold_everyone_once_and_no_more_than_they_may():
    ra, dec = sky()
    finest = np.sort(finest_pixels(ra, dec))
    found = dict(partitions(finest, 100))
    rows = np.concatenate([np.arange(NUM)[chosen] for chosen in found.values()])
    assert np.array_equal(rows, np.arange(NUM))
    for pixel, chosen in found.items():
        assert np.all(finest[chosen] >> 2 * (FINEST - pixel.order) == pixel.number)
        assert chosen.stop - chosen.start <= 100 or pixel.order == 12


def test_margins_hold_whoever_is_near_and_outside():
    draw = np.random.default_rng(0)
    ra, dec = 45 + draw.uniform(-0.02, 0.02, 900), draw.uniform(-0.02, 0.02, 900)
    finest = finest_pixels(ra, dec)
    order = np.argsort(finest)
    ra, dec, finest = ra[order], dec[order], finest[order]
    pixels = dict(partitions(finest, 300))
    found = margins(ra, dec, list(pixels), finest, 10.0)
    # a grid about each source, finer than what is asked, finds the pixels within 10 arcsec
    angles, radii = np.meshgrid(np.linspace(0, 2 * np.pi, 73), np.linspace(0.1, 10, 40) / 3600)
    for row in range(0, 900, 7):
        around_ra = ra[row] + (radii * np.cos(angles)).ravel() / np.cos(np.radians(dec[row]))
        around = finest_pixels(around_ra, dec[row] + (radii * np.sin(angles)).ravel())
        for pixel in pixels:
            shift = 2 * (FINEST - pixel.order)
            near = np.any(around >> shift == pixel.number) and finest[row] >> shift != pixel.number
            assert not near or row in found[pixel]
    for pixel, rows in found.items():
        assert not np.any(finest[rows] >> 2 * (FINEST - pixel.order) == pixel.number)


def test_sources_without_a_place_are_counted_and_a_table_without_places_is_refused(tmp_path):
    table = pa.table({"RA": [10.0, np.nan, 400.0], "DEC": [1.0, 2.0, 3.0], "id": ["a", "b", "c"]})
    written = write_hats(table, tmp_path / "h", "few")
    assert (written.num_rows, written.num_unplaced) == (1, 2)
    assert "all_margins" not in (tmp_path / "h" / "collection.properties").read_text()
    with pytest.raises(ValueError, match="no columns of positions"):
        write_hats(table.select(["id"]), tmp_path / "no", "few")
    with pytest.raises(ValueError, match="no source has a position in RA and DEC"):
        write_hats(table.slice(1), tmp_path / "no", "few")
    assert [path.name for path in tmp_path.iterdir()] == ["h"]


EDGES = np.linspace(np.log1p(-0.01), np.log1p(3.0), 513)


def two_humps():
    """p(z) of sources by steps: sums of two Gaussians in z, the last without an answer."""
    parts = [(0.7, 0.5, 0.02, 1.2, 0.05), (0.95, 0.1, 0.005, 2.0, 0.1), (0.5, 0.9, 0.1, 1.0, 0.2)]
    at = np.expm1(EDGES)
    below = [w * norm.cdf(at, a, s) + (1 - w) * norm.cdf(at, b, t) for w, a, s, b, t in parts]
    probability = np.diff(np.stack(below), axis=1)
    probability /= probability.sum(axis=1, keepdims=True)
    missing = np.full((1, 512), np.nan)
    return RedshiftPdf(edges=EDGES, probability=np.concatenate([probability, missing]))


def test_mixtures_are_near_to_what_they_were_made_from():
    pdf = two_humps()
    found = mixtures(pdf)
    assert found.bytes_per_source == 60 and np.isnan(found.weight[-1]).all()
    assert np.allclose(found.weight[:3].sum(axis=1), 1, atol=1e-6)
    assert np.all(np.diff(found.weight[:3], axis=1) <= 0) and np.all(found.sigma[:3] > 0)
    known = pdf[np.arange(3)]
    again = mixtures(known).steps(EDGES)
    assert np.max(np.abs(again.cumulative - known.cumulative)) < 0.02
    two = mixtures(known, 2)
    assert np.allclose(two.mean[:2], [[0.5, 1.2], [0.1, 2.0]], atol=0.01)
    assert np.allclose(two.weight[:2], [[0.7, 0.3], [0.95, 0.05]], atol=0.01)


def test_the_crps_hardly_suffers():
    draw = np.random.default_rng(4)
    z = draw.uniform(0.1, 1.5, 400)
    pdf = gaussian(z + draw.normal(0, 0.01, 400), np.full(400, 0.01))
    known = crps(pdf, z).mean()
    assert crps(mixtures(pdf, 3).steps(pdf.edges), z).mean() < 1.02 * known


def test_qp_reads_the_ensemble_as_it_was_written(place, tmp_path):
    pdf = two_humps()
    table = pa.table({"TARGETID": np.arange(4) + FIRST, "ra": np.arange(4.0), "other": np.ones(4)})
    path = tmp_path / "pz.hdf5"
    found = write_qp(pdf, table, path)
    assert len(found) == 3
    with h5py.File(path) as file:
        assert file["ancil/TARGETID"][()].tolist() == [FIRST, FIRST + 1, FIRST + 2]
        assert file["meta/pdf_name"][0] == b"mixmod" and "other" not in file["ancil"]
    grid = [0.1, 0.5, 0.9, 1.2]
    told = read_by_others("qp", path, *grid)
    right = [
        np.sum(
            found.weight[k] * norm.pdf(np.array(grid)[:, None], found.mean[k], found.sigma[k]),
            axis=1,
        )
        for k in range(3)
    ]
    assert np.allclose(told["pdf"], right, rtol=1e-4, atol=1e-6)
    assert told["row"] == [1, 2, 3] and told["names"] == ["TARGETID", "ra", "row"]


def test_a_format_that_is_none_or_cannot_be_made_is_refused(place, tmp_path, capsys):
    asked = ["publish", str(place / "cat.parquet"), "--out", str(tmp_path / "o"), "--formats"]
    for formats, words in (("hats,pdf", "'pdf'"), ("qp", "name its --bundle")):
        assert main([*asked, formats]) == 1
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    odd = pa.table({"ra": [1.0], "dec": [2.0], "parts": [[[1, 2], [3]]]})
    pq.write_table(odd, tmp_path / "odd.parquet")
    assert main(["publish", str(tmp_path / "odd.parquet"), "--out", str(tmp_path / "o")]) == 1
    assert "parts" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
