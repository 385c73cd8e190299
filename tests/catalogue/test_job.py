"""The catalogue job without its workers: shards that are whole or not there, and what they hold."""

import errno

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_heads import toy_bundle, toy_head
from toy_sky import toy_table

from ojala.catalogue import job
from ojala.catalogue.answerer import Recipe, VacRows
from ojala.catalogue.pieces import planned
from ojala.catalogue.seen import together
from ojala.cli import main
from ojala.tables.shards import columns_of


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    toy_head(place / "heads/spin", toy_bundle(place / "ojala"), name="spin", quantity="SPIN")
    return Recipe(bundle=place / "ojala", heads=place / "heads")


@pytest.fixture
def path(tmp_path):
    table = toy_table(50, seed=5, labelled=False, missing=0.3)
    table = table.set_column(0, "tile_id", pa.array(np.arange(50) + 7))
    table = table.set_column(1, "number", pa.array(np.zeros(50, dtype=int)))
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=9)
    return tmp_path / "in.parquet"


def job_of(path, recipe, rows=12):
    shards = path.parent / "shards"
    shards.mkdir(exist_ok=True)
    return job.job_of(planned(path, shards, rows), shards, recipe.made_by(recipe.asked()))


def make(work, recipe, numbers=None):
    answer = recipe.opened()
    for number in range(len(work.pieces)) if numbers is None else numbers:
        job.make_shard(work, number, answer)


def table_of(work):
    return pa.concat_tables(job.tables_of(work))


def assert_same(one, other, rtol=0.0):
    assert one.schema.equals(other.schema)
    for name, values in columns_of(one).items():
        theirs = columns_of(other)[name]
        if values.dtype.kind == "f":
            assert np.allclose(values, theirs, rtol=rtol, atol=rtol, equal_nan=True), name
        else:
            assert values.tolist() == theirs.tolist(), name


def test_shards_hold_what_predict_answers(path, recipe, tmp_path, capsys):
    work = job_of(path, recipe)
    make(work, recipe)
    out = tmp_path / "answers.parquet"
    models = ["--bundle", str(recipe.bundle), "--heads", str(recipe.heads)]
    assert main(["predict", str(path), *models, "--out", str(out)]) == 0
    assert_same(table_of(work), pq.read_table(out), rtol=1e-5)
    said = capsys.readouterr().err
    for line in together(job.seen_of(work)).lines():
        assert f"{path}: {line}\n" in said


def test_a_shard_is_the_same_whoever_makes_it_and_when(path, recipe):
    work = job_of(path, recipe)
    make(work, recipe)
    first = table_of(work)
    for number in (1, 3):
        work.shard(number).unlink()
    again = job_of(path, recipe)
    assert job.finished(again) == [0, 2, 4]
    make(again, recipe, [3, 1])
    assert_same(table_of(again), first)


def test_shards_of_another_catalogue_bundle_or_parameters_are_refused(path, recipe, tmp_path):
    work = job_of(path, recipe)
    make(work, recipe, [2])
    before = work.shard(2).read_bytes()
    changed = pq.read_table(path).slice(1)
    other = Recipe(bundle=toy_bundle(tmp_path / "other", seed=1))
    asked = Recipe(bundle=recipe.bundle, heads=recipe.heads, queries=("Z_GAL",))
    for again, rows in ((other, 12), (asked, 12), (recipe, 11)):
        with pytest.raises(ValueError, match=r"part-00002\.parquet is of another catalogue"):
            job_of(path, again, rows)
    pq.write_table(changed, path)
    with pytest.raises(ValueError, match=r"part-00002\.parquet is of another catalogue"):
        job_of(path, recipe)
    assert work.shard(2).read_bytes() == before


def test_what_a_kill_left_half_written_goes_away(path, recipe):
    work = job_of(path, recipe)
    half = work.shards / ".4711.partial.part-00001.parquet"
    half.write_bytes(b"PAR1")
    job_of(path, recipe)
    assert not half.exists()


def test_a_text_among_bands_is_told_by_file_column_and_row(path, recipe):
    table = pq.read_table(path)
    words = [str(value) for value in table["J0500"].to_pylist()]
    words[40] = "bright"
    place = table.column_names.index("J0500")
    pq.write_table(table.set_column(place, "J0500", pa.array(words)), path)
    work = job_of(path, recipe)
    make(work, recipe, [0, 1, 2])
    with pytest.raises(
        ValueError, match=f"^{path}: column J0500, row 41: 'bright' is not a number"
    ):
        make(work, recipe, [3])
    assert job.finished(work) == [0, 1, 2]


def test_a_full_disk_is_told_and_leaves_what_is_finished(path, recipe, monkeypatch):
    work = job_of(path, recipe)
    make(work, recipe, [0])

    def full(table, partial, **_):
        partial.write_bytes(b"PAR1 and no more")
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(ValueError, match=r"part-00001\.parquet: cannot be written \(No space left"):
        make(work, recipe, [1])
    assert [entry.name for entry in work.shards.iterdir()] == ["part-00000.parquet"]


HARMS = {
    "cut at its end": lambda content: content[:-30],
    "cut in the middle": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "overwritten": lambda content: content[:200] + bytes(20_000) + content[20_200:],
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_shard_is_told_by_name_and_the_others_stay(path, recipe, harm):
    work = job_of(path, recipe)
    make(work, recipe)
    before = table_of(work)
    whole = {number: work.shard(number).read_bytes() for number in range(5)}
    work.shard(2).write_bytes(HARMS[harm](whole[2]))
    with pytest.raises(ValueError, match=f"^{work.shard(2)}: a damaged shard .*remove it"):
        table_of(job_of(path, recipe))
    assert all(work.shard(n).read_bytes() == whole[n] for n in (0, 1, 3, 4))
    work.shard(2).unlink()  # as the sentence says
    again = job_of(path, recipe)
    make(again, recipe, [2])
    assert_same(table_of(again), before)


def test_a_shard_of_other_columns_half_way_is_told_by_name(path, recipe):
    work = job_of(path, recipe)
    make(work, recipe, [0, 1, 2])
    changed = pq.read_table(work.shard(1)).drop_columns(["CLASS"])
    pq.write_table(changed, work.shard(1))
    with pytest.raises(ValueError, match=f"^{work.shard(1)}: its columns are not those"):
        job_of(path, recipe)
    assert job.finished(work) == [0, 1, 2]


def test_a_catalogue_without_rows_is_refused(path, recipe):
    pq.write_table(pq.read_table(path)[:0], path)
    with pytest.raises(ValueError, match=f"{path}: it has no rows"):
        job_of(path, recipe)


def test_rows_of_the_vac_and_of_what_was_set_aside_are_one_table(path, recipe):
    as_vac = Recipe(bundle=recipe.bundle, heads=recipe.heads, as_vac=True)
    work = job_of(path, as_vac)
    make(work, as_vac)
    table = table_of(work)
    aside = VacRows(as_vac.asked()).unanswered(
        columns_of(toy_table(2, labelled=False)), np.array(["odd", "faint"], dtype=object)
    )
    assert aside.schema.equals(table.schema, check_metadata=True)
    assert aside["REJECTED"].to_pylist() == ["odd", "faint"]
    assert aside["CLASS"].to_pylist() == ["", ""]
    assert np.isnan(aside["SPIN"]).all() and np.isnan(aside["Z_GAL_MODE_2_WEIGHT"]).all()
    assert table["SPIN"].null_count == 0 and set(table["REJECTED"].to_pylist()) == {""}
