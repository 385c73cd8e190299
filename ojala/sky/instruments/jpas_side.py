"""What J-PAS measures of simulated sources: dual-mode photometry in 57 filters.

With ``gap`` 0 the fluxes are the truth plus the noise that the catalogue states. With ``gap`` 1
they also have what simulations do not know of real images, each of the size that is known from
J-PAS and its kin: zero-point errors, a blue calibration offset, colour gradients and seeing in
the aperture, correlated noise that the stated errors leave out, and light lost by MAG_AUTO.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ojala.physics.jpas_filters import FILTERS, I_BAND, flux_of_mag, pivots
from ojala.sky.instruments.depths import jpas_depths
from ojala.sky.instruments.light import BandLight
from ojala.sky.instruments.morphology import light_within
from ojala.sky.instruments.tiles import Tiles, tray_of_filters, trays
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import narrow_bands, reference_band

Floats = NDArray[np.float64]

APERTURE_RADIUS = 1.5
"""Arcsec, of the 3 arcsec aperture."""

SPECTRUM_UNITS = 100.0
"""1e-17 over the catalogue's 1e-19 erg/s/cm2/A."""

ELECTRONS = 6.7e-8
"""Electrons per second for 1e-19 erg/s/cm2/A, per Angstrom of width and of wavelength: 3.8 m2 of
mirror and 35 % of the photons kept."""

BLENDED_LIGHT = 0.7
"""Share of a neighbour's light that falls into the aperture of a blended source."""

SATURATION = 14.5
"""i magnitude of the faintest saturated source; narrow bands saturate later."""

DETECTION = 5.0
"""Smallest S/N in i of a catalogued source."""

COLOUR_GRADIENT = 0.35
"""Galaxies are redder inside: slope of log f over log wavelength per share of light outside the
aperture, about 0.1 mag between 4,000 A and i where half of the light is outside."""

BLUE_OFFSET, BLUE_REACH = 0.06, 500.0
"""Calibration offset of the bluest band, J0378, mag (too faint), and Angstrom over which it
falls by e."""

TRAY_NOISE, NEIGHBOUR_NOISE = 0.4, 0.3
"""Unstated noise that a tray's filters, and neighbouring filters, share: in stated sigmas."""

AUTO_LOSS, AUTO_FAINT_LOSS = 0.03, 0.05
"""Light that MAG_AUTO misses (mag), and the additional loss at S/N 10 and below."""

AUTO_NOISE = 1.3
"""Noise of the larger aperture of MAG_AUTO over that of 3 arcsec."""

ASTROMETRY = 0.07
"""Arcsec per axis, between J-PAS and DESI's target positions."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What J-PAS catalogues of a set of sources.

    rows: positions of the detected ones among those that were looked at
    columns: as ``surveys.jpas.write_dual`` takes them, for the rows
    """

    rows: NDArray[np.int64]
    columns: Columns


def observe(
    rng: np.random.Generator,
    truth: Columns,
    light: BandLight,
    tiles: Tiles,
    *,
    gap: float,
) -> Seen:
    """Photometry of the sources in a cell, in order of tile and number.

    truth: ra, dec, tile, r_half, sersic, neighbour per source; light: the same sources
    """
    tile = np.searchsorted(tiles.tile_id, truth["tile"])
    total = SPECTRUM_UNITS * light.of(light.bands[: len(FILTERS)])
    alone = truth["neighbour"] < 0
    total += np.where(alone[:, None], 0, BLENDED_LIGHT * total[truth["neighbour"]])
    aperture = total * in_aperture(truth, tiles.seeing[tile], gap) * calibration(tiles, gap)[tile]
    columns = _measured(rng, aperture, tiles, tile, gap)
    columns |= _automatic(rng, total * calibration(tiles, gap)[tile], columns, gap)
    columns |= _positions(rng, truth) | _flags(
        rng, truth, light.mag(reference_band().token), columns["observed"]
    )
    snr = columns["flux_aper_cor_3_0"][:, -1] / columns["flux_err_aper_cor_3_0"][:, -1]
    columns["class_star"] = _class_star(rng, truth["r_half"], snr)
    detected = np.flatnonzero(snr > DETECTION)
    rows = detected[np.argsort(tile[detected], kind="stable")]
    columns = {name: values[rows] for name, values in columns.items()}
    columns["tile_id"] = truth["tile"][rows]
    columns["number"] = _numbers(columns["tile_id"])
    observed = columns.pop("observed")
    for name in [name for name in columns if name.startswith("flux_")]:
        columns[name] = np.where(observed, columns[name], np.nan)
    columns["norm_wmap_val"] = observed.astype(np.float32)
    return Seen(rows=rows, columns=columns)


def in_aperture(truth: Columns, seeing: Floats, gap: float) -> Floats:
    """Share of the light in the aperture after the correction for a point source, (n, num_filters).

    seeing: FWHM per source and filter, arcsec. With gap 0 the share is that of i in every filter.
    """
    r_half, sersic = truth["r_half"][:, None], truth["sersic"][:, None]
    point = light_within(APERTURE_RADIUS, np.zeros_like(r_half), sersic, seeing)
    share = light_within(APERTURE_RADIUS, r_half, sersic, seeing) / point
    share_i = share[:, -1:]
    redder = np.log(pivots() / pivots()[-1]) * COLOUR_GRADIENT * (1 - np.minimum(share_i, 1))
    return np.asarray(share_i * (share / share_i) ** gap * np.exp(gap * redder))


def calibration(tiles: Tiles, gap: float) -> Floats:
    """Factor on the fluxes from errors of the calibration, (4 tiles, num_filters)."""
    table = jpas_depths()
    blue = BLUE_OFFSET * np.exp(-np.clip(pivots() - narrow_bands()[0].wave, 0, None) / BLUE_REACH)
    offset = tiles.zero_point * table.zpt_err + blue
    return np.asarray(10 ** (-0.4 * gap * offset))


def _measured(
    rng: np.random.Generator, flux: Floats, tiles: Tiles, tile: NDArray[np.int64], gap: float
) -> Columns:
    """Aperture fluxes with noise, and the errors that the catalogue states."""
    table = jpas_depths()
    limit, _ = flux_of_mag(tiles.depth, np.zeros_like(tiles.depth))
    background = (limit / 5)[tile] * rng.lognormal(0, 0.05, (len(flux), 1))
    electrons = ELECTRONS * pivots() * table.fwhm * table.exposure
    flux_err = np.sqrt(background**2 + np.maximum(flux, 0) / electrons)
    return {
        "flux_aper_cor_3_0": flux + flux_err * _noise(rng, flux.shape, gap),
        "flux_err_aper_cor_3_0": flux_err,
        "observed": tiles.observed[tile],
    }


def _noise(rng: np.random.Generator, shape: tuple[int, ...], gap: float) -> Floats:
    """Noise in stated sigmas: independent, and with a gap some that filters share."""
    own = rng.standard_normal(shape)
    tray = rng.standard_normal((shape[0], len(trays())))
    wide = rng.standard_normal((shape[0], shape[1] + 2))
    neighbours = (wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]) / np.sqrt(3)
    same_night = tray[:, tray_of_filters()]
    return np.asarray(own + gap * (TRAY_NOISE * same_night + NEIGHBOUR_NOISE * neighbours))


def _automatic(rng: np.random.Generator, total: Floats, columns: Columns, gap: float) -> Columns:
    """MAG_AUTO's fluxes: the total light, less what it loses, with more noise."""
    flux_err = columns["flux_err_aper_cor_3_0"] * AUTO_NOISE
    snr = total[:, -1:] / flux_err[:, -1:]
    lost = AUTO_LOSS + AUTO_FAINT_LOSS * np.minimum(10 / snr, 2)
    kept = 10 ** (-0.4 * gap * lost * rng.lognormal(0, 0.3, lost.shape))
    return {
        "flux_auto": total * kept + flux_err * rng.standard_normal(total.shape),
        "flux_err_auto": flux_err,
    }


def _positions(rng: np.random.Generator, truth: Columns) -> Columns:
    offset = ASTROMETRY / 3600 * rng.standard_normal((2, len(truth["ra"])))
    return {
        "alpha_j2000": truth["ra"] + offset[0] / np.cos(np.radians(truth["dec"])),
        "delta_j2000": truth["dec"] + offset[1],
    }


def _flags(
    rng: np.random.Generator, truth: Columns, mag_i: Floats, observed: NDArray[np.bool_]
) -> Columns:
    """SExtractor's flags (1 neighbours, 2 blended, 4 saturated) and masks (1: a bright star)."""
    flags = np.where(truth["neighbour"] >= 0, 3, 0)[:, None] | (rng.random(observed.shape) < 0.002)
    saturated = (mag_i < SATURATION)[:, None] & (np.arange(observed.shape[1]) == I_BAND)
    flags = flags | np.where(saturated, 4, 0)
    masks = (rng.random(len(observed)) < 0.01)[:, None] & np.ones_like(observed)
    return {"flags": flags.astype(np.int32), "mask_flags": masks.astype(np.int32)}


def _class_star(rng: np.random.Generator, r_half: Floats, snr: Floats) -> Floats:
    """SExtractor's stellarity: 1 for points, 0 for extended sources, undecided where faint."""
    extent = np.clip(snr, 0, 100) * (2 * r_half) ** 2 + rng.standard_normal(len(snr))
    return np.asarray(1 / (1 + np.exp(np.clip(2 * (extent - 3), -50, 50))))


def _numbers(tile_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """1, 2, 3 ... within each tile; sources come tile by tile."""
    _, first = np.unique(tile_id, return_index=True)
    starts = np.zeros(len(tile_id), dtype=np.int64)
    starts[first] = first
    return np.asarray(np.arange(len(tile_id)) - np.maximum.accumulate(starts) + 1)
