import argparse
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from local_archive import serving
from tap_archive import NAME, PASSWORD, TapArchive

from ojala.commands import fetch_jpas
from ojala.surveys.jpas import tap
from ojala.surveys.jpas.dual_mode import FILTERS, read_dual, write_dual
from ojala.surveys.jpas.pages import Page, fetch, pages_of
from ojala.surveys.jpas.tap import LOGIN_NAME, LOGIN_PASSWORD, Archive, credentials

TILES = {9531: 11, 9600: 4}


def make_sources(path: Path) -> Table:
    """Two tiles of sources as the archive holds them; numbers have gaps."""
    rng = np.random.default_rng(2)
    num_sources = sum(TILES.values())
    shape = (num_sources, len(FILTERS))
    columns = {
        "tile_id": np.repeat(list(TILES), list(TILES.values())),
        "number": np.concatenate([100 + np.cumsum(rng.integers(1, 9, n)) for n in TILES.values()]),
        "alpha_j2000": rng.uniform(128, 129, num_sources),
        "delta_j2000": rng.uniform(30, 31, num_sources),
    }
    for aperture in ("auto", "aper_cor_3_0"):
        columns[f"flux_{aperture}"] = rng.uniform(5, 50, shape)
        columns[f"flux_err_{aperture}"] = rng.uniform(1, 5, shape)
    write_dual(path, columns)
    with fits.open(path) as opened:
        table = Table({c.name: np.array(opened[1].data[c.name]) for c in opened[1].columns})
    table.write(path, overwrite=True)  # without header cards, as the archive's tables are
    return table


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[TapArchive]:
    with serving(TapArchive(make_sources(tmp_path / "archive.fits"))) as running:
        yield running


def client(archive: TapArchive, **options) -> Archive:
    options = {"mode": "sync", "wait": 0.001, "attempts": 4, "name": NAME, "password": PASSWORD} | (
        options
    )
    return Archive(url=f"{archive.url}/tap", login_url=f"{archive.url}/login", **options)


def test_pages_cover_a_tile_once():
    for num_rows, last in ((1, 7), (10, 7), (25, 31), (1000, 5000)):
        tile = {"tile_id": 1, "num_rows": num_rows, "first_number": 3, "last_number": last}
        pages = pages_of(tile, 10)
        covered = [n for page in pages for n in range(page.first, page.last + 1)]
        assert covered == list(range(3, last + 1))
        assert [page.file_name for page in pages] == sorted(page.file_name for page in pages)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_pages_are_the_table_that_the_archive_holds(archive: TapArchive, tmp_path: Path, mode: str):
    num_sources = fetch(client(archive, mode=mode), tmp_path / "pages", rows_per_page=5)
    assert num_sources == 15
    assert len(list((tmp_path / "pages").glob("*.parquet"))) > len(TILES)
    read, whole = (list(read_dual(tmp_path / name)) for name in ("pages", "archive.fits"))
    for name in ("tile_id", "number", "ra", "flux", "flux_err", "i_flux"):
        fetched = np.concatenate([getattr(block, name) for block in read])
        assert np.array_equal(fetched, getattr(whole[0], name), equal_nan=True)


def test_what_is_there_is_not_fetched_again(archive: TapArchive, tmp_path: Path):
    fetch(client(archive), tmp_path / "pages", rows_per_page=5)
    pages = {path: path.read_bytes() for path in (tmp_path / "pages").iterdir()}
    asked, lost = len(archive.queries), sorted(pages)[1]
    fetch(client(archive), tmp_path / "pages", rows_per_page=5)
    assert len(archive.queries) == asked
    lost.unlink()
    fetch(client(archive), tmp_path / "pages", rows_per_page=5)
    assert len(archive.queries) == asked + 1
    assert {path: path.read_bytes() for path in (tmp_path / "pages").iterdir()} == pages


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("failure", [503, "break", "log out"])
def test_a_query_survives_what_passes(
    archive: TapArchive, tmp_path: Path, failure: int | str, mode: str
):
    archive.failures = [None, failure, failure, None, failure]
    assert fetch(client(archive, mode=mode), tmp_path / "pages", rows_per_page=5) == 15
    found = np.concatenate([block.number for block in read_dual(tmp_path / "pages")])
    assert sorted(found) == sorted(archive.sources["number"])


def test_a_stop_leaves_whole_pages_only_and_the_rest_is_fetched_later(
    archive: TapArchive, tmp_path: Path
):
    archive.failures = [None, None, *["break"] * 4]
    with pytest.raises(ValueError, match=re.escape(archive.url)):
        fetch(client(archive), tmp_path / "pages", rows_per_page=5)
    assert len(list((tmp_path / "pages").glob("*.parquet"))) == 1
    assert not [path for path in (tmp_path / "pages").iterdir() if "partial" in path.name]
    asked = len(archive.queries)
    assert fetch(client(archive), tmp_path / "pages", rows_per_page=5) == 15
    assert not any("GROUP BY" in adql for adql in archive.queries[asked:])


def test_a_wrong_password_is_one_sentence_without_the_password(archive: TapArchive):
    with pytest.raises(ValueError, match=r"the login of 'vega' was not accepted") as raised:
        client(archive, password="secret").query("SELECT 1")
    assert "secret" not in str(raised.value)
    assert PASSWORD not in repr(client(archive))
    assert archive.queries == []


def test_a_service_that_never_lets_in_is_told(archive: TapArchive, tmp_path: Path):
    closed = Archive(url=f"{archive.url}/tap", login_url=None, mode="sync", wait=0.001, attempts=2)
    with pytest.raises(ValueError, match=r"tap: .*log in first|tap: .*403"):
        fetch(closed, tmp_path / "pages")


def test_a_query_that_is_refused_is_not_asked_again(archive: TapArchive, tmp_path: Path):
    with pytest.raises(ValueError, match="unknown column nonsense"):
        fetch(client(archive), tmp_path / "pages", where="nonsense = 1")
    assert len(archive.queries) == 1
    assert not list(tmp_path.glob("pages/*"))


def test_an_answer_cut_short_is_told(archive: TapArchive, tmp_path: Path):
    archive.limit = 4
    with pytest.raises(ValueError, match="cuts answers at 4 rows: ask for smaller pages"):
        fetch(client(archive), tmp_path / "pages")


def test_a_page_that_lost_a_row_is_told(archive: TapArchive, tmp_path: Path):
    archive.failures = [None, "lose a row"]
    with pytest.raises(ValueError, match=r"tile 9531 has 10 sources in its pages, .* counted 11"):
        fetch(client(archive), tmp_path / "pages")


def test_pages_of_another_request_are_not_mixed(archive: TapArchive, tmp_path: Path):
    fetch(client(archive), tmp_path / "pages", rows_per_page=5)
    with pytest.raises(ValueError, match="of another request"):
        fetch(client(archive), tmp_path / "pages", rows_per_page=6)


def test_a_page_without_sources_is_a_page(archive: TapArchive, tmp_path: Path):
    archive.sources["number"][10] = 5000  # a wide gap: some ranges hold nothing
    assert fetch(client(archive), tmp_path / "pages", rows_per_page=2) == 15
    assert sum(len(block) for block in read_dual(tmp_path / "pages")) == 15


def test_no_login_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(LOGIN_NAME, raising=False)
    with pytest.raises(ValueError, match=f"set {LOGIN_NAME} and {LOGIN_PASSWORD}"):
        credentials()


def test_the_command_fetches(
    archive: TapArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv(LOGIN_NAME, NAME)
    monkeypatch.setenv(LOGIN_PASSWORD, PASSWORD)
    parser = argparse.ArgumentParser()
    fetch_jpas.add_arguments(parser)
    words = ["--out", str(tmp_path / "pages"), "--url", f"{archive.url}/tap"]
    words += ["--login-url", f"{archive.url}/login", "--mode", "sync"]
    fetch_jpas.main(parser.parse_args(words))
    assert "15 sources" in capsys.readouterr().out
    kept = "".join(path.read_text() for path in tmp_path.glob("pages/*.json"))
    assert PASSWORD not in kept
    assert json.loads(kept)["request"]["table"] == "jpas.MagABDualObj"


def test_an_archive_that_is_not_there_is_told_at_once(tmp_path: Path):
    parser = argparse.ArgumentParser()
    fetch_jpas.add_arguments(parser)
    nowhere = "http://127.0.0.1:1/tap"
    words = ["--out", str(tmp_path / "pages"), "--no-login", "--url", nowhere]
    begun = time.monotonic()
    with pytest.raises(ValueError, match=rf"^{nowhere}: cannot be reached, check the address"):
        fetch_jpas.main(parser.parse_args(words))
    assert time.monotonic() - begun < 10
    assert not list(tmp_path.iterdir())


def test_an_archive_that_is_silent_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tap, "PATIENCE", (0.2, 600.0))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/tap"
        with pytest.raises(ValueError, match=rf"^{url}: no answer within"):
            Archive(url=url, login_url=None).reach()


def test_names_of_pages_sort_as_pages_do():
    names = [
        Page(tile_id=9, first=1, last=2).file_name,
        Page(tile_id=10, first=0, last=1).file_name,
    ]
    assert names == sorted(names)
