"""What DESI observes of a cell: coadds, redrock files and rows of the value-added catalogues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ojala.sky.instruments import fibres as fibre
from ojala.sky.instruments import redshift_fits, value_added
from ojala.sky.instruments.fibres import Fibres
from ojala.sky.instruments.light import SPECTRUM_STEP, BandLight, lights, optical
from ojala.sky.population import SAMPLES, Sample
from ojala.sky.streams import Stream, generator
from ojala.surveys.desi.arms import ARMS, WAVE, merge_arms
from ojala.surveys.desi.coadds import write_coadd, write_redrock
from ojala.tables.shards import Columns

Floats = NDArray[np.float64]

SURVEY = "main"
PROGRAMS = ("bright", "dark")

BAD_POSITION, STUCK = 512, 2
"""Bits of COADD_FIBERSTATUS: the fibre missed its target, or could not move."""

SKY_SHARE = 0.02
"""Fibres on blank sky per target; half of them, on stuck positioners, have no spectrum at all."""

SKY_TARGETID = 616_000_000_000_000_000
"""Start of the TARGETIDs of blank-sky fibres; those on stuck positioners are negative."""

SKY_FIBRES_PER_PROGRAM = 100_000
"""At most, in a cell: keeps the TARGETIDs of the programmes apart."""


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """Spectra of the targets of a cell, None without any, and their band fluxes block by block."""

    fibres: Fibres | None
    lights: list[BandLight]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Spectra of the sources of a cell and what the pipeline makes of them.

    status: COADD_FIBERSTATUS; redshifts: columns of redrock; labels: by catalogue, row by row
    with the sources
    """

    fibres: Fibres
    status: NDArray[np.int32]
    redshifts: Columns
    labels: dict[str, Columns]


def expose(seed: int, healpix: int, samples: Sequence[Sample], ebv: float) -> Exposed:
    """Spectra and band fluxes of the sources of a cell, in the order of the samples."""
    conditions = generator(seed, healpix, Stream.FIBRES)
    pixels = generator(seed, healpix, Stream.PIXELS)
    parts, band_lights = [], []
    for sample in samples:
        start = 0
        for flux, light in lights([sample], ebv, SPECTRUM_STEP):
            rows = slice(start, start + len(flux))
            truth = {name: sample.truth[name][rows] for name in ("r_half", "sersic")}
            program = SAMPLES[sample.name][2]
            wanted = {"name": sample.name, "program": program}
            parts.append(fibre.expose(conditions, pixels, optical(flux), truth, **wanted))
            band_lights.append(light)
            start += len(flux)
    return Exposed(fibres=fibre.joined(parts) if parts else None, lights=band_lights)


def reduce(
    seed: int,
    healpix: int,
    sources: Columns,
    light: BandLight,
    legacy: Columns,
    fibres: Fibres,
    bad_share: float,
) -> Observed:
    """Redshifts and labels of the targets of a cell; a share of the spectra is spoilt first."""
    status = _spoil(generator(seed, healpix, Stream.FAULTS), fibres, bad_share)
    flux, ivar = merge_arms(fibres.arms)
    with np.errstate(divide="ignore"):
        flux_err = np.where(ivar > 0, 1 / np.sqrt(ivar), np.inf).astype(np.float32)
    rng = generator(seed, healpix, Stream.REDSHIFTS)
    redshifts = redshift_fits.fit(rng, sources, light, flux, flux_err)
    snr = np.median(flux / flux_err, axis=1).astype(np.float64)
    right = value_added.is_right(sources, redshifts["Z"])
    rng = generator(seed, healpix, Stream.LABELS)
    labels = {
        "fastspecfit": value_added.fastspecfit(rng, sources, light, flux_err, fibres.scale),
        "cigale": value_added.cigale(rng, sources, legacy),
        "mws": value_added.mws(rng, sources, snr),
        "bhmass": value_added.bhmass(rng, sources, snr, legacy["FLUX_R"]),
    }
    labels = {
        kind: {name: np.where(right, values, np.nan) for name, values in columns.items()}
        for kind, columns in labels.items()
    }
    return Observed(fibres=fibres, status=status, redshifts=redshifts, labels=labels)


def write(
    directory: Path, seed: int, healpix: int, sources: Columns, legacy: Columns, seen: Observed
) -> None:
    """Write the coadd and the redrock file of each programme, sources in random order."""
    order = generator(seed, healpix, Stream.ORDER).permutation(len(sources["targetid"]))
    rng = generator(seed, healpix, Stream.SKY_FIBRES)
    for program in PROGRAMS:
        rows = order[sources["program"][order] == program]
        if not len(rows):
            continue
        num_sky = int(rng.binomial(len(rows), SKY_SHARE))
        fibermap = _fibermap(sources, legacy, seen, rows)
        redshifts = {name: values[rows] for name, values in seen.redshifts.items()}
        redshifts["TARGETID"] = fibermap["TARGETID"]
        arms = seen.fibres.rows(rows).arms
        if num_sky:
            blank = _blank_sky(rng, healpix, num_sky, program, sources)
            fibermap, redshifts = _with_sky(fibermap, redshifts, blank)
            spectra = fibre.empty_sky(rng, rng, num_sky, len(WAVE), program)
            _silence(spectra, blank["COADD_FIBERSTATUS"] > 0)
            arms = fibre.joined([seen.fibres.rows(rows), spectra]).arms
        _write_files(directory, healpix, program, fibermap, redshifts, arms)


def _write_files(
    directory: Path,
    healpix: int,
    program: str,
    fibermap: Columns,
    redshifts: Columns,
    arms: fibre.Arms,
) -> None:
    folder = directory / "healpix" / SURVEY / program / str(healpix // 100) / str(healpix)
    name = f"{SURVEY}-{program}-{healpix}.fits"
    write_coadd(
        folder / f"coadd-{name}",
        targetid=fibermap["TARGETID"],
        fibermap={column: v for column, v in fibermap.items() if column != "TARGETID"},
        arms={arm: (ARMS[arm], flux, ivar) for arm, (flux, ivar) in arms.items()},
        survey=SURVEY,
        program=program,
        healpix=healpix,
    )
    write_redrock(
        folder / f"redrock-{name}",
        redshifts=redshifts,
        fibermap=fibermap,
        survey=SURVEY,
        program=program,
        healpix=healpix,
    )


def _spoil(rng: np.random.Generator, fibres: Fibres, bad_share: float) -> NDArray[np.int32]:
    """Spoil a share of the spectra in place; returns COADD_FIBERSTATUS.

    Of the spoilt ones half missed their target (flagged, a tenth of the light left, or none), a
    quarter has no data at all, and a quarter lost one arm.
    """
    num_sources = len(fibres.scale)
    fate = rng.random(num_sources) / max(bad_share, 1e-9)
    lost_arm = rng.integers(0, len(ARMS), num_sources)
    missed = fate < 0.5
    _silence(fibres, (fate < 0.25) | ((fate >= 0.5) & (fate < 0.75)))
    for position, (flux, ivar) in enumerate(fibres.arms.values()):
        gone = (fate >= 0.75) & (fate < 1) & (lost_arm == position)
        flux[missed] *= np.float32(0.1)
        flux[gone], ivar[gone] = 0, 0
    status = np.where(missed, np.where(fate < 0.25, STUCK, BAD_POSITION), 0)
    return np.asarray(status, dtype=np.int32)


def _silence(fibres: Fibres, rows: NDArray[np.bool_]) -> None:
    """Take the light of some fibres away."""
    for flux, ivar in fibres.arms.values():
        flux[rows], ivar[rows] = 0, 0


def _fibermap(
    sources: Columns, legacy: Columns, seen: Observed, rows: NDArray[np.int64]
) -> Columns:
    columns = {
        "TARGETID": sources["targetid"],
        "COADD_FIBERSTATUS": seen.status,
        "TARGET_RA": sources["ra"],
        "TARGET_DEC": sources["dec"],
        "OBJTYPE": np.full(len(seen.status), "TGT"),
        "EBV": sources["mw_ebv"],
        "COADD_EXPTIME": seen.fibres.exposure_time,
        **legacy,
    }
    return {name: values[rows] for name, values in columns.items()}


def _blank_sky(
    rng: np.random.Generator, healpix: int, num_fibres: int, program: str, sources: Columns
) -> Columns:
    """FIBERMAP of fibres without a target, near places where there are sources."""
    number = np.arange(num_fibres) + SKY_FIBRES_PER_PROGRAM * PROGRAMS.index(program)
    is_stuck = rng.random(num_fibres) < 0.5
    near = rng.integers(0, len(sources["ra"]), num_fibres)
    return {
        "TARGETID": np.where(is_stuck, -1, 1) * (SKY_TARGETID + healpix * 10**6 + number),
        "COADD_FIBERSTATUS": np.where(is_stuck, STUCK, 0),
        "TARGET_RA": sources["ra"][near],
        "TARGET_DEC": sources["dec"][near] + 20 / 3600,
        "OBJTYPE": np.full(num_fibres, "SKY"),
        "COADD_EXPTIME": np.full(num_fibres, fibre.EXPOSURE[program]),
    }


def _with_sky(fibermap: Columns, redshifts: Columns, blank: Columns) -> tuple[Columns, Columns]:
    """The tables of a programme with the rows of blank-sky fibres at the end."""
    num_fibres = len(blank["TARGETID"])
    failed = {
        "TARGETID": blank["TARGETID"],
        "ZWARN": np.full(num_fibres, redshift_fits.SMALL_DELTACHI2 + 1),  # bit 1: a sky fibre
        "SPECTYPE": np.full(num_fibres, "GALAXY"),
    }
    return _stacked(fibermap, blank), _stacked(redshifts, failed)


def _stacked(table: Columns, below: Columns) -> Columns:
    """Rows of two tables; what the second lacks is 0 or ""."""
    num_rows = len(below["TARGETID"])
    return {
        name: np.concatenate([values, below.get(name, np.zeros(num_rows, values.dtype))])
        for name, values in table.items()
    }
