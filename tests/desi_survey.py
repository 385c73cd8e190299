"""A small DESI survey with known spectra, and the real files that development packages carry."""

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from ojala.physics.synphot import flux_density
from ojala.surveys.desi.arms import ARMS
from ojala.surveys.desi.coadds import write_coadd, write_redrock

REAL = {
    "specutils": "specutils/io/default_loaders/tests/desi_test_data",
    "fastspecfit": "fastspecfit/test/data",
}


def real_files(pattern):
    """The DESI files of installed packages that match, or a skipped test."""
    found = []
    for package, folder in REAL.items():
        try:
            place = Path(str(distribution(package).locate_file(folder)))
        except PackageNotFoundError:
            continue
        found += place.glob(pattern)
    if not found:
        pytest.skip(f"no package with real DESI files {pattern} is installed")
    return sorted(found)


def real_directory(tmp_path):
    """All real coadds and redrock files, linked into one flat directory."""
    for path in [*real_files("coadd-*.fits"), *real_files("redrock-*.fits")]:
        os.symlink(path, tmp_path / path.name)
    return tmp_path


def flat_arms(mag_ab, *, slope=0.0, err=0.05, seed=None):
    """Arms of sources with f_lambda ~ wave^(slope - 2), AB magnitude ``mag_ab`` at 6400 A.

    err: 1 sigma, 1e-17 erg/s/cm2/A; drawn into the flux where there is a seed
    """
    rng = np.random.default_rng(seed)
    arms = {}
    for arm, wave in ARMS.items():
        level = flux_density(np.asarray(mag_ab)[:, None], np.array(6400.0))
        flux = level * (wave / 6400.0) ** (slope - 2)
        if seed is not None:
            flux = flux + rng.normal(0, err, flux.shape)
        arms[arm] = (wave, flux.astype(np.float32), np.full(flux.shape, err**-2, np.float32))
    return arms


def fibermap_of(targetid, mag_ab, **columns):
    """FIBERMAP of point sources at r = mag_ab in the south, all of their light in the catalogue."""
    num = len(targetid)
    flux = 10 ** (0.4 * (22.5 - np.asarray(mag_ab)))
    bands = {f"FLUX_{band}": flux for band in ("G", "R", "Z", "W1", "W2")}
    ivar = {f"FLUX_IVAR_{band}": np.full(num, 400.0) for band in ("G", "R", "Z", "W1", "W2")}
    return {
        "TARGETID": np.asarray(targetid),
        "TARGET_RA": 150 + 0.01 * np.arange(num),
        "TARGET_DEC": 2 + 0.01 * np.arange(num),
        "MORPHTYPE": np.full(num, "PSF"),
        "FIBERFLUX_R": 0.78 * flux,
        **bands,
        **ivar,
        **columns,
    }


def redshifts_of(targetid, spectype="GALAXY", z=0.1, **columns):
    num = len(targetid)
    return {
        "TARGETID": np.asarray(targetid),
        "Z": np.full(num, z),
        "ZERR": np.full(num, 1e-5),
        "ZWARN": np.zeros(num, int),
        "SPECTYPE": np.full(num, spectype),
        **columns,
    }


def write_pair(
    directory, targetid, *, mag_ab=20.0, survey="main", program="dark", healpix=7, **options
):
    """A coadd and its redrock file of flat-spectrum sources; returns the coadd's path.

    options: fibermap, redshifts (columns to replace), arms, masks; redrock=False: coadd alone
    """
    mags = np.broadcast_to(mag_ab, len(targetid))
    group = {"survey": survey, "program": program, "healpix": healpix}
    stem = f"{survey}-{program}-{healpix}.fits"
    fibermap = fibermap_of(targetid, mags, **options.get("fibermap", {}))
    write_coadd(
        Path(directory) / f"coadd-{stem}",
        targetid=np.asarray(targetid),
        fibermap=fibermap,
        arms=options.get("arms") or flat_arms(mags),
        masks=options.get("masks"),
        **group,
    )
    if options.get("redrock", True):
        redshifts = redshifts_of(targetid, **options.get("redshifts", {}))
        write_redrock(
            Path(directory) / f"redrock-{stem}", redshifts=redshifts, fibermap=fibermap, **group
        )
    return Path(directory) / f"coadd-{stem}"
