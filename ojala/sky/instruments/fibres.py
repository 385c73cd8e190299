"""From the light of simulated sources to DESI's coadded spectra, arm by arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ojala.sky.instruments.morphology import light_within
from ojala.sky.instruments.night_sky import LINE_SPREAD, READOUT_TIME, noise
from ojala.surveys.desi.arms import ARMS, STEP, split_arms
from ojala.tables.shards import Columns

Floats = NDArray[np.float64]
Arms = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""flux and ivar of each arm, 1e-17 erg/s/cm2/A, (num_sources, num_wave of the arm)."""

FIBRE_RADIUS = 0.75
"""Arcsec, of DESI's fibres."""

SEEING, SEEING_SCATTER = 1.1, 0.15
"""FWHM of the exposures, arcsec (DESI 2022, AJ 164, 207), and its relative scatter."""

EXPOSURE = {"bright": 500.0, "dark": 1000.0}
"""Typical time of a visit, seconds: what DESI's effective 180 s and 1,000 s take."""

EXPOSURE_SCATTER = 0.25
"""Relative, between coadds: transparency, seeing and moon differ."""

VISITS = {"QSO": (0.35, 0.25, 0.2, 0.2), "LRG": (0.6, 0.3, 0.1)}
"""Shares of sources with one, two, ... visits; other samples have one."""

LOSS = 0.06
"""Scatter of a fibre's throughput (positioning) that calibration leaves in, relative."""

CALIBRATION = (0.02, 0.02, 0.01)
"""Scatter of the flux calibration: amplitudes of Legendre polynomials 0, 1, 2 over wavelength."""

IVAR_ERROR = 0.05
"""Relative scatter of the stated inverse variances about the true ones, per spectrum."""

COSMIC_SHARE = 0.002
"""Share of pixels lost to cosmic rays."""


@dataclass(frozen=True, kw_only=True)
class Fibres:
    """What the fibres of a set of sources recorded.

    scale: flux in the spectrum over the total flux; exposure_time: seconds; (num_sources,)
    """

    arms: Arms
    scale: Floats
    exposure_time: Floats

    def rows(self, chosen: NDArray[np.int64]) -> Fibres:
        """The fibres of some of the sources.

        chosen: (num_chosen,)
        """
        return Fibres(
            arms={arm: (flux[chosen], ivar[chosen]) for arm, (flux, ivar) in self.arms.items()},
            scale=self.scale[chosen],
            exposure_time=self.exposure_time[chosen],
        )


def joined(parts: Sequence[Fibres]) -> Fibres:
    """The fibres of several sets of sources, one after another."""
    return Fibres(
        arms={
            arm: (
                np.concatenate([part.arms[arm][0] for part in parts]),
                np.concatenate([part.arms[arm][1] for part in parts]),
            )
            for arm in ARMS
        },
        scale=np.concatenate([part.scale for part in parts]),
        exposure_time=np.concatenate([part.exposure_time for part in parts]),
    )


def expose(
    conditions: np.random.Generator,
    pixels: np.random.Generator,
    flux: NDArray[np.float32],
    truth: Columns,
    *,
    name: str,
    program: str,
) -> Fibres:
    """Spectra of sources of one sample.

    conditions, pixels: random numbers of exposures and of pixel noise
    flux: noiseless total light on DESI's grid, (num_sources, 7781); truth: r_half, sersic
    name: of the sample; program: "bright" or "dark"
    """
    num_sources = len(flux)
    time = _exposure_time(conditions, num_sources, name, program)
    seeing = SEEING * conditions.lognormal(0, SEEING_SCATTER, num_sources)
    point = light_within(FIBRE_RADIUS, np.zeros(num_sources), truth["sersic"], seeing)
    share = light_within(FIBRE_RADIUS, truth["r_half"], truth["sersic"], seeing)
    scale = share / point * conditions.lognormal(0, LOSS, num_sources)
    caught = flux * scale[:, None].astype(np.float32)
    caught *= _calibration(conditions, num_sources, flux.shape[1])
    trust = conditions.lognormal(0, IVAR_ERROR, num_sources)
    arms = {
        arm: _record(pixels, part, time, trust, arm, program)
        for arm, part in split_arms(caught).items()
    }
    return Fibres(arms=arms, scale=scale, exposure_time=time)


def empty_sky(
    conditions: np.random.Generator,
    pixels: np.random.Generator,
    num_fibres: int,
    num_wave: int,
    program: str,
) -> Fibres:
    """Fibres on blank sky: noise about zero."""
    nothing = np.zeros((num_fibres, num_wave), np.float32)
    truth = {"r_half": np.zeros(num_fibres), "sersic": np.zeros(num_fibres)}
    return expose(conditions, pixels, nothing, truth, name="sky", program=program)


def _exposure_time(rng: np.random.Generator, num_sources: int, name: str, program: str) -> Floats:
    shares = VISITS.get(name, (1.0,))
    visits = 1 + rng.choice(len(shares), num_sources, p=shares)
    return np.asarray(EXPOSURE[program] * visits * rng.lognormal(0, EXPOSURE_SCATTER, num_sources))


def _calibration(rng: np.random.Generator, num_sources: int, num_wave: int) -> NDArray[np.float32]:
    """Smooth factor on each spectrum, about 1."""
    across = np.linspace(-1, 1, num_wave)
    shapes = np.polynomial.legendre.legvander(across, len(CALIBRATION) - 1).T
    amplitudes = rng.standard_normal((num_sources, len(CALIBRATION))) * CALIBRATION
    return np.asarray(1 + amplitudes @ shapes, dtype=np.float32)


def _record(
    rng: np.random.Generator,
    flux: NDArray[np.float32],
    time: Floats,
    trust: Floats,
    arm: str,
    program: str,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flux and ivar of an arm: blurred, with noise, without the pixels that cosmic rays hit."""
    blurred = gaussian_filter1d(flux, LINE_SPREAD[arm] / STEP, axis=1, truncate=4, mode="nearest")
    sigma = noise(blurred, time, arm, program)
    recorded = blurred + sigma * rng.standard_normal(flux.shape, dtype=np.float32)
    ivar = trust[:, None].astype(np.float32) / sigma**2
    ivar[rng.random(flux.shape, dtype=np.float32) < COSMIC_SHARE] = 0
    return recorded, ivar


assert EXPOSURE["dark"] <= READOUT_TIME, "a visit is read out once"
