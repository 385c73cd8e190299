import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ojala.tables.shards import as_table, column, columns_of, jpas_schema, mocks_schema, read_table
from ojala.training_set.crossmatch import (
    CrossmatchConfig,
    assert_no_leak,
    crossmatch,
    is_validation,
    match,
    within,
)
from ojala.vocabulary.bands import narrow_bands

ARCSEC = 1 / 3600


def positions(num, seed=0, size=1.0):
    rng = np.random.default_rng(seed)
    return 180 + size * rng.random(num), size * rng.random(num) + 30


def offset(ra, dec, arcsec, angle):
    return ra + arcsec * ARCSEC * np.cos(angle) / np.cos(np.radians(dec)), dec + (
        arcsec * ARCSEC * np.sin(angle)
    )


def test_pairs_are_found_up_to_the_radius_with_their_separation():
    ra, dec = positions(200)
    separation = np.linspace(0.0, 1.5, 200)
    other = offset(ra, dec, separation, np.linspace(0, 6, 200))
    rows, other_rows, found = match(ra, dec, *other, radius=1.0)
    assert np.array_equal(np.sort(rows), np.flatnonzero(separation <= 1.0))
    assert np.array_equal(rows, other_rows)
    assert np.allclose(found, separation[rows], atol=1e-4)


def test_each_source_pairs_once_and_with_the_nearest():
    ra, dec = np.array([180.0]), np.array([30.0])
    others = offset(np.repeat(ra, 3), np.repeat(dec, 3), np.array([0.8, 0.3, 0.5]), np.arange(3.0))
    rows, other_rows, _ = match(ra, dec, *others, radius=1.0)
    assert (rows.tolist(), other_rows.tolist()) == ([0], [1])
    rows, other_rows, _ = match(*others, ra, dec, radius=1.0)
    assert (rows.tolist(), other_rows.tolist()) == ([1], [0])


def test_match_is_symmetric_and_near_the_pole():
    rng = np.random.default_rng(1)
    ra, dec = rng.random(300) * 360, 90 - rng.random(300) * 0.01
    other = (ra[::-1].copy(), (dec - 0.2 * ARCSEC)[::-1].copy())
    rows, other_rows, _ = match(ra, dec, *other, radius=1.0)
    back, back_other, _ = match(*other, ra, dec, radius=1.0)
    assert set(zip(rows, other_rows, strict=True)) == set(zip(back_other, back, strict=True))
    assert len(rows) == 300


def test_within_flags_duplicates_that_the_match_leaves_unpaired():
    ra, dec = np.array([180.0, 180.0]), np.array([30.0, 30.0 + 0.1 * ARCSEC])
    assert within(ra, dec, ra[:1], dec[:1], 1.0).tolist() == [True, True]
    assert not within(ra, dec, np.array([]), np.array([]), 1.0).any()


def test_whole_pixels_validate():
    ra, dec = positions(5000, size=20)
    config = CrossmatchConfig(val_fraction=0.3, nside=64)
    chosen = is_validation(ra, dec, config)
    again = is_validation(ra[::-1].copy(), dec[::-1].copy(), config)[::-1]
    assert np.array_equal(chosen, again), "a source's split depends on its pixel alone"
    assert 0.2 < chosen.mean() < 0.4
    near = offset(ra, dec, 0.01, 0.0)
    assert np.mean(is_validation(*near, config) == chosen) > 0.999


def sky(num=400, num_matched=100, seed=3):
    """Mocks and a J-PAS table that share ``num_matched`` positions."""
    rng = np.random.default_rng(seed)
    ra, dec = positions(num, seed, size=3)
    bands = [band.token for band in narrow_bands()]
    mocks = {"targetid": np.arange(num), "ra": ra, "dec": dec, "z": rng.random(num)}
    mocks |= {"survey": np.full(num, "main"), "program": np.full(num, "dark")}
    mocks |= {"SPECTYPE": rng.integers(0, 3, num), "MAG_i": np.full(num, 20.0)}
    mocks |= {f"{token}_ERR": np.full(num, 0.01) for token in [*bands, "MAG_i"]}
    mocks |= {token: np.ones(num) for token in bands}
    jpas_ra, jpas_dec = offset(ra[:num_matched], dec[:num_matched], 0.3, 1.0)
    jpas = {"tile_id": np.full(num_matched, 7), "number": np.arange(num_matched)}
    jpas |= {"ra": jpas_ra, "dec": jpas_dec, "MAG_i": np.full(num_matched, 20.1)}
    jpas |= {token: np.full(num_matched, 1.5) for token in bands}
    jpas |= {f"{token}_ERR": np.full(num_matched, 0.2) for token in [*bands, "MAG_i"]}
    jpas["J0500"] = np.full(num_matched, np.nan)
    jpas["J0500_ERR"] = np.full(num_matched, np.nan)
    return as_table(mocks, mocks_schema()), as_table(jpas, jpas_schema())


@pytest.fixture
def matched(tmp_path):
    mocks, jpas = sky()
    pq.write_table(mocks, tmp_path / "mocks.parquet")
    pq.write_table(jpas, tmp_path / "jpas.parquet")
    config = CrossmatchConfig(nside=256, val_fraction=0.3)
    counts = crossmatch(
        tmp_path / "mocks.parquet", tmp_path / "jpas.parquet", tmp_path / "sets", config
    )
    return mocks, jpas, counts, tmp_path / "sets"


def test_the_sets_share_rows_and_add_up(matched):
    _, _, counts, directory = matched
    real, synth = (read_table(directory / f"test_{name}.parquet") for name in ("real", "synth"))
    assert column(real, "targetid").tolist() == column(synth, "targetid").tolist()
    assert counts["test"] + counts["val"] == counts["matched"] == 100
    assert counts["test"] > 0
    assert counts["val"] > 0
    val = read_table(directory / "val_real.parquet")
    assert not set(column(val, "targetid")) & set(column(real, "targetid"))


def test_real_holds_jpas_photometry_and_desi_labels(matched):
    mocks, _, _, directory = matched
    real = read_table(directory / "test_real.parquet")
    rows = column(real, "targetid")
    assert np.all(column(real, "J0660") == np.float32(1.5))
    assert np.array_equal(column(real, "z"), column(mocks, "z")[rows])
    assert np.array_equal(column(real, "number"), rows)
    assert np.allclose(column(real, "separation"), 0.3, atol=1e-3)


def test_synth_has_the_counterparts_errors_and_missing_bands(matched):
    synth = read_table(matched[3] / "test_synth.parquet")
    assert np.all(np.isnan(column(synth, "J0500")))
    pulls = np.concatenate(
        [(column(synth, b.token) - 1.0) / 0.2 for b in narrow_bands() if b.token != "J0500"]
    )
    assert np.allclose(column(synth, "J0660_ERR"), 0.2)
    assert abs(pulls.mean()) < 4 / np.sqrt(len(pulls))
    assert abs(pulls.std() - 1) < 4 / np.sqrt(2 * len(pulls))


def test_a_planted_leak_is_named(matched):
    mocks, jpas, _, directory = matched
    excluded = read_table(directory / "excluded.parquet")
    assert excluded.num_rows == 100
    clean = mocks.filter(
        pa.array(~np.isin(column(mocks, "targetid"), column(excluded, "targetid")))
    )
    assert_no_leak(clean, jpas, 1.0)
    leaky = pa.concat_tables([clean, mocks.slice(42, 1)])
    with pytest.raises(ValueError, match=r"1 training sources .* TARGETID 42"):
        assert_no_leak(leaky, jpas, 1.0)


@pytest.mark.parametrize("wrong", [{"radius": 0.0}, {"val_fraction": 1.0}, {"nside": 3}])
def test_unphysical_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match=f"crossmatch.{next(iter(wrong))}"):
        CrossmatchConfig(**wrong)


def test_what_has_no_position_matches_nothing_and_leaves_training(tmp_path):
    mocks, jpas = ({k: v.copy() for k, v in columns_of(table).items()} for table in sky())
    mocks["ra"][3], mocks["dec"][5], jpas["dec"][7] = np.nan, 95.0, np.nan
    for name, columns, schema in (("m", mocks, mocks_schema()), ("j", jpas, jpas_schema())):
        pq.write_table(as_table(columns, schema), tmp_path / name)
    counts = crossmatch(tmp_path / "m", tmp_path / "j", tmp_path / "sets", CrossmatchConfig())
    assert (counts["matched"], counts["without_position"]) == (97, 2)
    excluded = column(read_table(tmp_path / "sets" / "excluded.parquet"), "targetid").tolist()
    assert {3, 5} <= set(excluded) and 7 not in excluded
    mocks["ra"][:] = np.nan
    pq.write_table(as_table(mocks, mocks_schema()), tmp_path / "m")
    with pytest.raises(ValueError, match="m: no source has a position in columns ra and dec"):
        crossmatch(tmp_path / "m", tmp_path / "j", tmp_path / "more", CrossmatchConfig())
