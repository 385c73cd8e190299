"""The catalogue by its address, as pyvo asks for it, with the standard's columns and errors."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from asked_service import asked_service
from astropy.coordinates import SkyCoord
from astropy.io.votable import parse
from pyvo.dal.scs import SCSResults
from toy_heads import toy_bundle

from serving import cone_search
from serving.cone_search import Cone, ConeSearch, cone_of

NUM = 4000


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Sources all over the sky, and some about a pole and across the meridian."""
    random = np.random.default_rng(1)
    ra, dec = random.uniform(0, 360, NUM), np.degrees(np.arcsin(random.uniform(-1, 1, NUM)))
    ra[:200], dec[:200] = random.uniform(-0.5, 0.5, 200) % 360, random.uniform(-0.5, 0.5, 200)
    dec[200:300] = random.uniform(89, 90, 100)
    columns = {
        "tile_id": np.arange(NUM) // 100 + 2**40,
        "number": np.arange(NUM) % 100,
        "ra": ra,
        "dec": dec,
        "MAG_i": random.uniform(17, 22, NUM).astype(np.float32),
        "J0500": np.ones(NUM, np.float32),
        "Z_GAL": random.uniform(0, 1, NUM).astype(np.float32),
    }
    meant = {
        "ra": {"unit": "deg", "ucd": "pos.eq.ra;meta.main"},
        "dec": {"unit": "deg", "ucd": "pos.eq.dec;meta.main"},
        "number": {"unit": "", "ucd": "meta.id;meta.main"},
        "MAG_i": {"unit": "mag", "ucd": "phot.mag;em.opt.I"},
    }
    fields = [
        pa.field(name, pa.array(values).type, metadata=meant.get(name))
        for name, values in columns.items()
    ]
    path = tmp_path_factory.mktemp("vac") / "ojala_vac.parquet"
    schema = pa.schema(fields, metadata={"bundle_digest": "abc"})
    pq.write_table(pa.table([pa.array(v) for v in columns.values()], schema=schema), path)
    return path


@pytest.fixture(scope="module")
def client(catalogue, tmp_path_factory):
    place = toy_bundle(tmp_path_factory.mktemp("m") / "ojala")
    with asked_service(OJALA_BUNDLE=place, OJALA_CATALOGUE=catalogue) as client:
        yield client


def votable(client, **asked):
    answer = client.get("/scs", params=asked)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-votable+xml")
    return parse(io.BytesIO(answer.content))


@pytest.mark.parametrize(
    ("ra", "dec", "radius"),
    [(0, 0, 0.3), (359.9, 0.1, 0.4), (77.0, 89.9, 0.8), (180, -45, 12), (10, 20, 180), (360, 0, 1)],
)
def test_a_cone_holds_the_sources_that_astropy_finds_within_it(catalogue, ra, dec, radius):
    table = pq.read_table(catalogue)
    places = SkyCoord(table["ra"].to_numpy(), table["dec"].to_numpy(), unit="deg")
    distance = places.separation(SkyCoord(ra, dec, unit="deg")).deg
    found, is_cut = ConeSearch(catalogue).found(Cone(ra=ra, dec=dec, radius=radius))
    assert not is_cut and found.num_rows == np.sum(distance <= radius) > 0
    given = SkyCoord(found["ra"].to_numpy(), found["dec"].to_numpy(), unit="deg")
    apart = given.separation(SkyCoord(ra, dec, unit="deg")).deg
    assert np.all(np.diff(apart) > -1e-9) and apart.max() <= radius + 1e-9


def test_pyvo_reads_what_is_answered(client, catalogue):
    results = SCSResults(votable(client, RA=0, DEC=0, SR=0.4))
    assert len(results) > 10
    first = results[0]
    table = pq.read_table(catalogue).to_pylist()
    tile, _, number = first.id.partition("-")
    (row,) = [r for r in table if r["tile_id"] == int(tile) and r["number"] == int(number)]
    assert (first.pos.ra.deg, first.pos.dec.deg) == (row["ra"], row["dec"])
    assert first["Z_GAL"] == np.float32(row["Z_GAL"])
    fields = {one.name: one for one in results.votable.get_first_table().fields}
    assert str(fields["MAG_i"].unit) == "mag" and fields["MAG_i"].ucd == "phot.mag;em.opt.I"
    ucds = [one.ucd for one in fields.values()]
    for main in ("ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"):
        assert ucds.count(main) == 1
    assert fields["number"].ucd == "meta.id" and str(fields["ra"].unit) == "deg"


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (1, {"source_id", "ra", "dec", "MAG_i", "Z_GAL"}),
        (2, {"source_id", "tile_id", "number", "ra", "dec", "MAG_i", "Z_GAL"}),
        (3, {"source_id", "tile_id", "number", "ra", "dec", "MAG_i", "J0500", "Z_GAL"}),
    ],
)
def test_verb_says_how_much_is_told(client, verbosity, expected):
    table = votable(client, RA=0, DEC=0, SR=0.2, VERB=verbosity).get_first_table()
    assert {one.name for one in table.fields} == expected


def test_names_of_parameters_have_no_case_and_no_radius_asks_for_the_columns(client):
    one = votable(client, ra=0, dec=0, sr=0.2).get_first_table()
    assert len(one.array) == len(votable(client, RA=0, Dec=0, SR=0.2).get_first_table().array) > 0
    none = votable(client, RA=0, DEC=0, SR=0).get_first_table()
    assert len(none.array) == 0 and len(none.fields) == len(one.fields)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"DEC": 0, "SR": 1}, "RA is missing"),
        ({"RA": "12h", "DEC": 0, "SR": 1}, "RA is '12h', expected a number"),
        ({"RA": "nan", "DEC": 0, "SR": 1}, "RA is 'nan'"),
        ({"RA": 361, "DEC": 0, "SR": 1}, "RA is 361, expected 0 ... 360"),
        ({"RA": 1, "DEC": -90.5, "SR": 1}, "DEC is -90.5"),
        ({"RA": 1, "DEC": 0, "SR": -1}, "SR is -1"),
        ({"RA": 1, "DEC": 0, "SR": 1, "VERB": 4}, "VERB is 4"),
        ({"RA": 1, "DEC": 0, "SR": 1, "VERB": 1.5}, "VERB is 1.5"),
        ({"RA": '"<&', "DEC": 0, "SR": 1}, "RA is '\"<&'"),
    ],
)
def test_what_is_wrong_is_told_as_the_standard_has_it(client, asked, words):
    with pytest.raises(ValueError) as told:
        cone_of({name: str(value) for name, value in asked.items()})
    assert words in str(told.value)
    infos = {one.name: one.value for one in votable(client, **asked).resources[0].infos}
    assert words in infos["Error"]


def test_more_sources_than_an_answer_holds_are_said_to_be_cut(client, catalogue, monkeypatch):
    monkeypatch.setattr(cone_search, "MOST", 50)
    document = votable(client, RA=0, DEC=0, SR=180)
    assert len(document.get_first_table().array) == 50
    infos = {one.name: one.value for one in document.infos}
    assert infos["QUERY_STATUS"].startswith("OVERFLOW") and infos["bundle_digest"] == "abc"


def test_a_file_that_is_no_catalogue_is_refused(tmp_path):
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(ValueError, match=r"text\.parquet: the catalogue cannot be read"):
        ConeSearch(tmp_path / "text.parquet")
    pq.write_table(pa.table({"ra": [1.0]}), tmp_path / "short.parquet")
    with pytest.raises(ValueError, match="has no column dec, number, tile_id"):
        ConeSearch(tmp_path / "short.parquet")
