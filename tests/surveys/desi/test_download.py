import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_archive import FileArchive
from local_archive import serving

from ojala.commands import fetch_desi
from ojala.surveys.desi.download import (
    Release,
    RemoteFile,
    catalogue_files,
    checksum_list,
    fetch_all,
    spectra_files,
)
from ojala.surveys.desi.tree import CATALOGUES

PIXEL = 27247
COADD = f"spectro/redux/iron/healpix/main/dark/272/{PIXEL}/coadd-main-dark-{PIXEL}.fits"
REDROCK = COADD.replace("coadd", "redrock")


@pytest.fixture
def archive() -> Iterator[FileArchive]:
    rng = np.random.default_rng(1)
    files = {path: rng.bytes(5_000_000) for path in (COADD, REDROCK)}
    with serving(FileArchive(files)) as running:
        running.add_sums(checksum_list(COADD))
        yield running


def release(archive: FileArchive, **options) -> Release:
    return Release(root=archive.url, **({"wait": 0.001, "attempts": 4} | options))


def wanted(tmp_path: Path) -> list[RemoteFile]:
    return spectra_files([PIXEL], "main", "dark", tmp_path)


def test_paths_are_those_of_the_release(tmp_path: Path):
    coadd, redrock = wanted(tmp_path)
    assert (coadd.remote, redrock.remote) == (COADD, REDROCK)
    assert coadd.local == tmp_path / COADD.removeprefix("spectro/redux/iron/")
    assert checksum_list(COADD).endswith(
        f"{PIXEL}/redux_iron_healpix_main_dark_272_{PIXEL}.sha256sum"
    )
    mws = "vac/dr1/mws/iron/v1.0/mwsall-pix-iron.fits"
    assert checksum_list(mws) == "vac/dr1/mws/iron/v1.0/dr1_vac_dr1_mws_iron_v1.0.sha256sum"


def test_catalogues_are_found_again_by_the_reader(tmp_path: Path):
    files = catalogue_files([PIXEL, 4095, 4096], "main", "dark", tmp_path)
    for file in files:
        file.local.parent.mkdir(parents=True, exist_ok=True)
        file.local.touch()
    found = {kind: list((tmp_path / "vac").rglob(name)) for kind, name in CATALOGUES.items()}
    assert {kind: len(paths) for kind, paths in found.items()} == {
        "fastspecfit": 3,  # nside-1 pixels 0, 1 and 6
        "cigale": 1,
        "mws": 1,
        "bhmass": 1,
    }
    assert any(file.remote.endswith("fastspec-iron-main-dark-nside1-hp06.fits") for file in files)
    (whole,) = [
        f for f in catalogue_files([PIXEL], "sv3", "dark", tmp_path) if "fastspec" in f.remote
    ]
    assert whole.remote.endswith("catalogs/fastspec-iron-sv3-dark.fits")


def test_files_arrive_and_are_not_asked_for_again(archive: FileArchive, tmp_path: Path):
    for _ in range(2):
        assert fetch_all(release(archive), wanted(tmp_path)) == []
    for file in wanted(tmp_path):
        assert file.local.read_bytes() == archive.files[file.remote]
    assert [archive.asked.count((path, 0)) for path in (COADD, REDROCK)] == [1, 1]
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_continued_or_begun_again(
    archive: FileArchive, tmp_path: Path, ranges: bool
):
    archive.ranges = ranges
    archive.failures[COADD] = ["break", 503, "break"]
    release(archive).fetch(wanted(tmp_path)[0])
    assert wanted(tmp_path)[0].local.read_bytes() == archive.files[COADD]
    starts = [start for path, start in archive.asked if path == COADD]
    assert (max(starts) > 0) == ranges
    assert starts == sorted(starts)


def test_a_download_that_was_killed_goes_on_where_it_stopped(archive: FileArchive, tmp_path: Path):
    archive.failures[COADD] = ["break"] * 2
    with pytest.raises(ValueError, match=f"coadd-main-dark-{PIXEL}.fits"):
        release(archive, attempts=2).fetch(wanted(tmp_path)[0])
    local = wanted(tmp_path)[0].local
    assert not local.exists()
    arrived = next(local.parent.glob(".*.partial")).stat().st_size
    assert arrived > 0
    release(archive).fetch(wanted(tmp_path)[0])
    assert archive.asked[-1] == (COADD, arrived)
    assert local.read_bytes() == archive.files[COADD]


def test_a_corrupted_file_is_fetched_once_more_and_then_refused(
    archive: FileArchive, tmp_path: Path
):
    archive.failures[COADD] = ["corrupt"]
    assert release(archive).fetch(wanted(tmp_path)[0])
    archive.failures[REDROCK] = ["corrupt", "corrupt"]
    with pytest.raises(ValueError, match=r"redrock.*SHA-256 sum of what arrives is wrong"):
        release(archive).fetch(wanted(tmp_path)[1])
    assert [path.name for path in tmp_path.rglob("*.*") if path.is_file()] == [COADD.split("/")[-1]]


def test_the_beginning_of_another_file_does_no_harm(archive: FileArchive, tmp_path: Path):
    local = wanted(tmp_path)[0].local
    local.parent.mkdir(parents=True)
    local.with_name(f".{local.name}.partial").write_bytes(b"something else")
    release(archive).fetch(wanted(tmp_path)[0])
    assert local.read_bytes() == archive.files[COADD]


def test_pixels_that_the_release_does_not_have_are_named(archive: FileArchive, tmp_path: Path):
    files = spectra_files([PIXEL, 1], "main", "dark", tmp_path)
    absent = fetch_all(release(archive), files)
    assert {file.remote.split("/")[-2] for file in absent} == {"1"}
    with pytest.raises(ValueError, match="none of the 2 files is there"):
        fetch_all(release(archive), spectra_files([1], "main", "dark", tmp_path))


def test_a_server_that_refuses_is_told_at_once(archive: FileArchive, tmp_path: Path):
    archive.failures[checksum_list(COADD)] = [503] * 9
    with pytest.raises(ValueError, match="503"):
        fetch_all(release(archive), wanted(tmp_path))
    assert not list(tmp_path.rglob("*.fits"))


def test_a_copy_without_sums_is_taken_when_asked_for(archive: FileArchive, tmp_path: Path):
    del archive.files[checksum_list(COADD)]
    with pytest.raises(ValueError, match="none of the 2 files is there"):
        fetch_all(release(archive), wanted(tmp_path))
    assert fetch_all(release(archive, verify=False), wanted(tmp_path)) == []


def run(*words: str) -> None:
    parser = argparse.ArgumentParser()
    fetch_desi.add_arguments(parser)
    fetch_desi.main(parser.parse_args(words))


def test_the_command_takes_pixels_from_a_table(
    archive: FileArchive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pq.write_table(pa.table({"healpix": [PIXEL, PIXEL, 1]}), tmp_path / "jpas.parquet")
    table, out = str(tmp_path / "jpas.parquet"), str(tmp_path / "desi")
    run("--healpix-of", table, "--out", out, "--root", archive.url)
    printed = capsys.readouterr().out
    assert "2 files" in printed
    assert "not in the release" in printed
    assert len(list((tmp_path / "desi").rglob("*.fits"))) == 2


def test_the_command_wants_pixels(tmp_path: Path):
    with pytest.raises(ValueError, match="no sky pixels given"):
        run("--out", str(tmp_path))
