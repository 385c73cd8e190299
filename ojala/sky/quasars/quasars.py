"""Quasars of the simulated sky: what there is (draw) and what it looks like (render).

Counts follow the luminosity function of eBOSS, spectra the principal components of real quasars,
black-hole masses the width and luminosity that the rendered Mg II line itself has.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.physics.cosmology import angular_scale, sphere_area
from ojala.sky.deviates import uniforms
from ojala.sky.quasars import counts, forest, lines
from ojala.sky.quasars.outflows import troughs
from ojala.sky.quasars.sed import host_ratio, host_templates, quasar_light, smc_extinction
from ojala.sky.quasars.shapes import PCA_PIXELS, REST_WAVE, joined
from ojala.sky.top_hats import BAND_EDGES, LIGHT_SPEED, top_hat_magnitude
from ojala.vocabulary.constants import LYMAN_ALPHA

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

LIMITS = {"qso": ("r", 16.0, 23.0), "field": ("i", 15.0, 22.7)}
"""Samples: the band of the selection and its magnitudes."""

FADING = 22.5
"""r beyond which DESI's targets lose quasars (Chaussidon et al. 2023), all of them by 23.2."""

RESOLVED = 20.2, 0.8, 0.3
"""Quasars with a visible host are none of DESI's targets, which are point sources (Chaussidon et
al. 2023, Sec. 3): r to which many are bright galaxies, and the shares observed above and below."""

HALF_POINTS = 0.5
"""Share of the host in the light at 5100 Angstrom with which one in two is a point source still: a
bright nucleus hides its host (as Dunlop et al. 2003 found with HST)."""

MARGIN = 1.0
"""How much fainter than the limit candidates are drawn, since colours differ, mag."""

BLOCK = 256


def draw(rng: np.random.Generator, num_sources: int, sample: str) -> Columns:
    """The truth of ``num_sources`` quasars of a sample.

    sample: "qso" (DESI's targets: r < 23, fading from 22.5) or "field" (all with i < 22.7)
    Returns columns, each (num_sources,): spectype, z, r_half (arcsec), sersic, seed, LOGL3000
    (erg/s, as observed through its own dust), LOGMBH (Msun), fwhm_mgii (km/s), ew_mgii (rest
    Angstrom), alpha (f_nu ~ nu^alpha from 1455 to 4200 Angstrom), ebv, host_fraction (of the light
    at 5100 Angstrom), host_young (share of star-forming light in it), mag_r, mag_i (AB).
    Raises ValueError for an unknown sample.
    """
    if sample not in LIMITS:
        raise ValueError(f"sample {sample!r} is not known: expected one of {', '.join(LIMITS)}")
    parts: list[Columns] = []
    missing = num_sources
    while missing > 0:
        candidates = _candidates(rng, max(2 * missing, 64), sample)
        chosen = np.flatnonzero(_selected(candidates, sample))[:missing]
        parts.append({name: column[chosen] for name, column in candidates.items()})
        missing -= len(chosen)
    if not parts:
        parts.append({n: c[:0] for n, c in _candidates(rng, 1, sample).items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@cache
def surface_density(sample: str) -> float:
    """Quasars of a sample per square degree, from the luminosity function."""
    candidates = _candidates(np.random.default_rng(2016), 6000, sample)
    return counts.density(LIMITS[sample][2] + MARGIN) * float(_selected(candidates, sample).mean())


def render(truth: Columns, wave: Array) -> NDArray[np.float32]:
    """Observed spectra, 1e-17 erg/s/cm2/Angstrom, (num_sources, num_wave), total light.

    wave: observed vacuum wavelengths in Angstrom, increasing, within 2500 Angstrom ... 6 um
    """
    flux = np.empty((len(truth["z"]), len(wave)), dtype=np.float32)
    for rows, part in _blocks(truth):
        flux[rows] = _observe(_with_host(_own_light(part), part), part, wave)
    return flux


def _blocks(truth: Columns) -> Iterator[tuple[slice, Columns]]:
    for start in range(0, len(truth["z"]), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, {name: column[rows] for name, column in truth.items()}


def _own_light(truth: Columns) -> Array:
    """Log f_lambda (base e) of the quasar alone on REST_WAVE, 0 at 3000 Angstrom, no dust."""
    log_flux = quasar_light(truth["seed"], truth["z"], truth["LOGL3000"])
    return log_flux - log_flux[:, np.searchsorted(REST_WAVE, 3000.0), None]


def _with_host(log_flux: Array, truth: Columns) -> Array:
    """f_lambda of outflow, dust and host added, the quasar's own being 1 at 3000 Angstrom."""
    dust = smc_extinction(REST_WAVE, truth["ebv"])
    light = np.exp(log_flux) * dust / smc_extinction(np.array([3000.0]), truth["ebv"])
    at_5100 = light[:, np.searchsorted(REST_WAVE, 5100.0)]
    light *= troughs(truth["seed"], REST_WAVE)
    young = truth["host_young"][:, None]
    host = (1 - young) * host_templates().old + young * host_templates().young
    ratio = truth["host_fraction"] / (1 - truth["host_fraction"])
    return np.asarray(light + (ratio * at_5100)[:, None] * host)


def _observe(light: Array, truth: Columns, wave: Array) -> Array:
    """Redshift, dim, and send through the intergalactic medium."""
    z = truth["z"]
    scale = 10 ** truth["LOGL3000"] / 3000.0 / sphere_area(z) / (1 + z) * 1e17
    flux = np.empty((len(z), len(wave)))
    for row in range(len(z)):
        flux[row] = scale[row] * np.interp(wave / (1 + z[row]), REST_WAVE, light[row])
    absorbed = np.flatnonzero(z > wave[0] / LYMAN_ALPHA - 1)
    if len(absorbed):
        flux[absorbed] *= _intergalactic(wave, z[absorbed], truth["seed"][absorbed])
    return flux


def _intergalactic(wave: Array, z: Array, seed: NDArray[np.integer]) -> Array:
    """Transmission at ``wave``, computed in cells of the forest's field."""
    end = np.log(min(wave[-1], forest.WINGS * LYMAN_ALPHA * (1 + z.max())))
    log_wave = np.arange(np.floor(np.log(wave[0]) / forest.STEP), end / forest.STEP + 2)
    log_wave *= forest.STEP
    passed = forest.transmission(log_wave, z, seed)
    passed *= forest.limit_systems(log_wave, z, seed)
    passed *= forest.damped_systems(log_wave, z, seed)
    return np.array([np.interp(np.log(wave), log_wave, row, right=1.0) for row in passed])


def _candidates(rng: np.random.Generator, num: int, sample: str) -> Columns:
    """Quasars somewhat beyond the limit of ``sample``, with their lines and magnitudes."""
    z, magnitude = counts.draw_redshifts(rng, num, LIMITS[sample][2] + MARGIN)
    truth: Columns = {
        "spectype": np.full(num, "QSO"),
        "z": z,
        "seed": rng.integers(0, 2**62, num),
        "ebv": np.where(rng.random(num) < 0.12, rng.exponential(0.08, num), 0.0),
        "host_young": np.clip(0.25 + 0.25 * z + 0.2 * rng.standard_normal(num), 0.0, 1.0),
    }
    truth["LOGL3000"] = _log_l3000(magnitude, truth)
    _add_host(rng, truth)
    parts = [_appearance(part) for _, part in _blocks(truth)]
    for name in parts[0]:
        truth[name] = np.concatenate([part[name] for part in parts])
    return truth


def _log_l3000(magnitude: Array, truth: Columns) -> Array:
    """log10 L3000 (erg/s) of quasars of M_g(z=2), dimmed by their own dust.

    M_g(z=2) is the AB magnitude at 10 pc of the spectrum at redshift 2, so that rest-frame
    1300-1830 Angstrom lie in g.
    """
    log_flux = joined(truth["seed"], truth["z"])
    rest = REST_WAVE[PCA_PIXELS]
    window = (rest > 1300) & (rest < 1830)
    in_g = np.exp(log_flux[:, window]).mean(axis=1)
    ratio = np.exp(log_flux[:, np.searchsorted(rest, 3000.0)]) / in_g
    ten_parsec = 4 * np.pi * (3.0857e19) ** 2
    per_hertz = 10 ** (-0.4 * (magnitude + 48.6)) * ten_parsec / 3.0
    per_angstrom = per_hertz * LIGHT_SPEED / 1562.0**2
    dust = smc_extinction(np.array([3000.0]), truth["ebv"])[:, 0]
    return np.asarray(np.log10(3000.0 * per_angstrom * ratio * dust))


def _add_host(rng: np.random.Generator, truth: Columns) -> None:
    """Share of the host at 5100 Angstrom and its size on the sky; a faint host leaves a point."""
    num = len(truth["z"])
    ratio = host_ratio(truth["LOGL3000"] - 0.25) * 10 ** (0.25 * rng.standard_normal(num))
    truth["host_fraction"] = ratio / (1 + ratio)
    size = 5.0 * 10 ** (0.2 * rng.standard_normal(num)) / (1 + truth["z"]) ** 0.75
    seen = 1 / (1 + (HALF_POINTS / truth["host_fraction"]) ** 3)
    resolved = (rng.random(num) < seen) & (truth["z"] < 1.2)
    truth["r_half"] = np.where(resolved, size / angular_scale(truth["z"]), 0.0)
    truth["sersic"] = np.where(resolved, rng.uniform(1.0, 5.0, num), 0.0)


def _appearance(truth: Columns) -> Columns:
    """Mg II as it will be rendered and the mass it tells, the slope, magnitudes."""
    log_flux = _own_light(truth)
    width, fwhm, _ = lines.measure_line(log_flux, 2695.0, 2905.0)
    blue, red = np.searchsorted(REST_WAVE, (1455.0, 4200.0))
    rise = (log_flux[:, red] - log_flux[:, blue]) / np.log(REST_WAVE[red] / REST_WAVE[blue])
    seen: Columns = {
        "fwhm_mgii": fwhm,
        "ew_mgii": width,
        "LOGMBH": lines.virial_mass(fwhm, truth["LOGL3000"]),
        "alpha": -2 - rise,
    }
    light = _with_host(log_flux, truth)
    for band, edges in BAND_EDGES.items():
        wave = np.linspace(*edges, 40)
        flux = 1e-17 * _observe(light, truth, wave).mean(axis=1)
        seen[f"mag_{band}"] = top_hat_magnitude(flux, wave)
    return seen


def _selected(truth: Columns, sample: str) -> NDArray[np.bool_]:
    """Sources that the sample takes; fading and hosts are decided by each source's own deviate."""
    band, bright, faint = LIMITS[sample]
    magnitude = truth[f"mag_{band}"]
    inside = (magnitude > bright) & (magnitude < faint)
    if sample == "qso":
        chance = np.clip((23.2 - magnitude) / (23.2 - FADING), 0, 1)
        limit, above, below = RESOLVED
        taken = np.where(magnitude < limit, above, below)
        chance = np.where(truth["r_half"] > 0.3, taken * chance, chance)
        inside &= uniforms(truth["seed"], 1, stream=30)[:, 0] < chance
    return np.asarray(inside)
