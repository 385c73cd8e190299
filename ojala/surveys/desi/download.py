"""Public DESI DR1 files by HTTPS: spectra and redshifts by sky pixel, and value-added catalogues.

Both sources serve the same tree: data.desi.lbl.gov, and the public S3 bucket ``desidata`` through
its anonymous HTTPS endpoint. Every directory of it holds a list of SHA-256 sums; a file gets its
name only when its sum is right. A download that stops goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

SOURCES = {
    "https": "https://data.desi.lbl.gov/public/dr1",
    "s3": "https://desidata.s3.amazonaws.com/dr1",
}
REDUCTION = "spectro/redux/iron"
"""The spectroscopic production of DR1."""

NOT_THERE = 404
CHUNK = 1 << 20
"""Bytes that are written at a time."""

SPLIT_PROGRAMS = {("main", "bright"), ("main", "dark")}
"""FastSpecFit's catalogues of these come in twelve files, one per nside-1 pixel."""


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file of the release: its path below the release's root, and where it goes."""

    remote: str
    local: Path


def spectra_files(
    healpix: Iterable[int], survey: str, program: str, directory: str | Path
) -> list[RemoteFile]:
    """The coadd and redrock files of sky pixels (nside 64, nested), in DR1's own layout."""
    files = []
    for pixel in sorted(set(healpix)):
        where = f"healpix/{survey}/{program}/{pixel // 100}/{pixel}"
        for kind in ("coadd", "redrock"):
            name = f"{where}/{kind}-{survey}-{program}-{pixel}.fits"
            files.append(RemoteFile(remote=f"{REDUCTION}/{name}", local=Path(directory) / name))
    return files


def catalogue_files(
    healpix: Iterable[int], survey: str, program: str, directory: str | Path
) -> list[RemoteFile]:
    """The value-added catalogues: FastSpecFit of the sky around the pixels, the others whole."""
    names = [f"fastspec-iron-{survey}-{program}.fits"]
    if (survey, program) in SPLIT_PROGRAMS:
        large = sorted({pixel // 4096 for pixel in healpix})
        names = [f"fastspec-iron-{survey}-{program}-nside1-hp{pixel:02d}.fits" for pixel in large]
    remote = {
        **{name: f"fastspecfit/iron/v3.0/catalogs/{name}" for name in names},
        "IronPhysProp_v1.2.fits": "cigale/iron/v1.2/IronPhysProp_v1.2.fits",
        "mwsall-pix-iron.fits": "mws/iron/v1.0/mwsall-pix-iron.fits",
        "VAC_BHmass_338_v1.7.fits": "qmassiron/v1.7/VAC_BHmass_338_v1.7.fits",
    }
    folder = {"IronPhysProp_v1.2.fits": "cigale", "mwsall-pix-iron.fits": "mws"}
    folder |= {"VAC_BHmass_338_v1.7.fits": "bhmass"}
    return [
        RemoteFile(
            remote=f"vac/dr1/{path}",
            local=Path(directory) / "vac" / folder.get(name, "fastspecfit") / name,
        )
        for name, path in remote.items()
    ]


def checksum_list(remote: str) -> str:
    """The path of the list of sums of the directory that a file is in.

    It is called after the path of its directory: ``spectro/redux/iron/healpix/main/dark/100/10000``
    holds ``redux_iron_healpix_main_dark_100_10000.sha256sum``, and ``vac/dr1/mws/iron/v1.0``
    holds ``dr1_vac_dr1_mws_iron_v1.0.sha256sum``.
    """
    parts = remote.split("/")[:-1]
    named = parts[1:] if parts[0] == "spectro" else ["dr1", *parts]
    return "/".join([*parts, "_".join(named) + ".sha256sum"])


@dataclass(kw_only=True)
class Release:
    """A server with the tree of DR1.

    root: URL of the tree; attempts, wait: tries of a request that meets a broken connection or a
        server error, and seconds before the second (doubled each time)
    verify: compare sums; False only for a mirror that has none
    """

    root: str = SOURCES["https"]
    attempts: int = 7
    wait: float = 2.0
    verify: bool = True
    _session: requests.Session = field(default_factory=requests.Session, repr=False)
    _sums: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False)

    def fetch(self, file: RemoteFile, progress: tqdm[Any] | None = None) -> bool:
        """Download a file unless it is there; False where the release has no such file.

        Raises ValueError for a sum that is wrong twice, a file without a sum, or a server that
        fails ``attempts`` times.
        """
        if file.local.exists():
            return True
        expected = None
        if self.verify:
            sums = self._sums_of(checksum_list(file.remote))
            if sums is None:
                return False
            expected = sums.get(file.local.name)
            if expected is None:
                return False
        partial = file.local.with_name(f".{file.local.name}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        url = f"{self.root}/{file.remote}"
        for _ in range(2):
            if not self._persistently(lambda: self._continue(url, partial, progress), url):
                return False
            if expected is None or _sha256(partial) == expected:
                os.replace(partial, file.local)
                return True
            partial.unlink()  # what was there before may have been another file's
        raise ValueError(f"{url}: the SHA-256 sum of what arrives is wrong, expected {expected}")

    def stop(self) -> None:
        """End the downloads of other threads at their next piece."""
        self._stopped.set()

    def _sums_of(self, path: str) -> dict[str, str] | None:
        """Sums by file name of one directory; None where the release has no such directory."""
        if path not in self._sums:
            url = f"{self.root}/{path}"
            answer = self._persistently(lambda: self._get(url), url)
            if answer is None:
                return None
            lines = [line.split() for line in answer.text.splitlines() if line.strip()]
            self._sums[path] = {Path(name.lstrip("*")).name: value for value, name in lines}
        return self._sums[path]

    def _continue(self, url: str, partial: Path, progress: tqdm[Any] | None) -> bool:
        """Append what is missing to ``partial``; False where there is no such file."""
        start = partial.stat().st_size if partial.exists() else 0
        answer = self._get(url, stream=True, headers={"Range": f"bytes={start}-"})
        if answer is None:
            return False
        with answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                return True  # nothing is missing
            appends = answer.status_code == requests.codes.partial_content
            length = int(answer.headers.get("Content-Length", 0))
            _enlarge(progress, length)
            arrived = 0
            with partial.open("ab" if appends else "wb") as out:
                for chunk in answer.iter_content(CHUNK):
                    if self._stopped.is_set():
                        raise ValueError(f"{url}: stopped")
                    out.write(chunk)
                    arrived += len(chunk)
                    if progress is not None:
                        progress.update(len(chunk))
            if arrived < length:
                raise requests.ConnectionError(f"{arrived} of {length} bytes arrived")
        return True

    def _get(self, url: str, **options: Any) -> requests.Response | None:
        answer = self._session.get(url, timeout=(30, 300), **options)
        if answer.status_code == NOT_THERE:
            return None
        if answer.status_code != requests.codes.requested_range_not_satisfiable:
            answer.raise_for_status()
        return answer

    def _persistently(self, action: Callable[[], Any], url: str) -> Any:
        """The result of ``action``, tried again after broken connections and server errors."""
        wait = self.wait
        for attempt in range(1, self.attempts + 1):
            try:
                return action()
            except requests.RequestException as error:
                status = getattr(error.response, "status_code", None)
                hopeless = status is not None and status < 500 and status not in (408, 429)
                if hopeless or attempt == self.attempts:
                    raise ValueError(f"{url}: {error}") from None
                time.sleep(wait)
                wait = min(2 * wait, 300.0)
        raise AssertionError("the last attempt returns or raises")


def fetch_all(
    release: Release, files: Sequence[RemoteFile], *, num_workers: int = 4
) -> list[RemoteFile]:
    """Download files, several at a time; returns those that the release does not have.

    Raises ValueError as ``Release.fetch`` does, and where the release has none of them.
    """
    with (
        tqdm(total=0, unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as progress,
        ThreadPoolExecutor(num_workers) as pool,
    ):
        try:
            found = list(pool.map(lambda file: release.fetch(file, progress), files))
        except BaseException:
            release.stop()  # or leaving would wait for gigabytes that nobody wants any more
            pool.shutdown(cancel_futures=True)
            raise
    absent = [file for file, is_there in zip(files, found, strict=True) if not is_there]
    if files and len(absent) == len(files):
        raise ValueError(f"{release.root}: none of the {len(files)} files is there")
    return absent


def _enlarge(progress: tqdm[Any] | None, length: int) -> None:
    if progress is not None:
        progress.total = (progress.total or 0) + length
        progress.refresh()


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
