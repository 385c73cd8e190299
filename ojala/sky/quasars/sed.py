"""The rest-frame light of a quasar from the far ultraviolet to 6 um, and that of its host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.sky.deviates import normals
from ojala.sky.quasars import lines
from ojala.sky.quasars.shapes import BLUE_START, PCA_PIXELS, REST_WAVE, joined

Array = NDArray[np.float64]

HOT_DUST, WARM_DUST = 1260.0, 550.0
"""K: hot dust of Glikman et al. 2006; the torus further out."""

OLD, YOUNG = 3, 4
"""Rows of kcorrect's templates: stars formed before 1 Gyr ago; half of them since 0.3 Gyr."""

HOT_LIGHT, WARM_LIGHT = 0.6, 0.65
"""lambda L_lambda of the hot dust at 2.3 um and of the warm dust at 6 um, over that of the disc at
5100 Angstrom (mean quasar of Richards et al. 2006)."""


H_ALPHA = 3.7
"""Flux of broad H-alpha over what ``measure_line`` finds for H-beta, which misses a sixth of it in
the wings; the true ratio is 3.1 (Dong et al. 2008)."""


def quasar_light(seed: NDArray[np.integer], z: Array, log_l3000: Array) -> Array:
    """Log f_lambda (base e) on REST_WAVE of quasars without host or reddening, arbitrary scale.

    log_l3000: log10 of erg/s, for the Baldwin effect
    seed, z, log_l3000: (num_sources,); returns (num_sources, len(REST_WAVE))
    """
    log_flux = np.zeros((len(seed), len(REST_WAVE)))
    log_flux[:, PCA_PIXELS] = joined(seed, z)
    noise = normals(seed, 12, stream=3)
    _ultraviolet(log_flux, noise)
    _infrared(log_flux, noise)
    return lines.baldwin_effect(log_flux, log_l3000)


def _ultraviolet(log_flux: Array, noise: Array) -> None:
    """Blueward of 1200 Angstrom: a power law, the blue wing of Lyman alpha, and lines.

    The slope alpha_nu is -1.4 +- 0.3 (Telfer et al. 2002).
    """
    blue = slice(0, PCA_PIXELS.start)
    anchor = int(np.searchsorted(REST_WAVE, 1284.0))
    slope = (-2 + 1.4 - 0.3 * noise[:, 0])[:, None]
    continuum = log_flux[:, anchor, None] + slope * np.log(REST_WAVE[blue] / REST_WAVE[anchor])
    flux = np.exp(continuum)
    wing = np.maximum(np.exp(log_flux[:, PCA_PIXELS.start]) - flux[:, -1], 0)[:, None]
    flux += wing * np.exp((REST_WAVE[blue] - BLUE_START) / 10.0)
    padded = np.concatenate([flux, np.zeros((len(flux), len(REST_WAVE) - blue.stop))], axis=1)
    strength = 10 ** (0.15 * noise[:, 1])
    for wave, width in lines.UV_LINES:
        pixel = int(np.searchsorted(REST_WAVE, wave))
        line_flux = width * strength * np.exp(continuum[:, pixel])
        lines.add_line(padded, wave, line_flux, np.full(len(flux), 6000.0), reach=0.06)
    log_flux[:, blue] = np.log(padded[:, blue])


def _infrared(log_flux: Array, noise: Array) -> None:
    """Redward of 5090 Angstrom: the disc's power law, hot and warm dust, lines tied to H-beta."""
    red = slice(PCA_PIXELS.stop, len(REST_WAVE))
    edge = PCA_PIXELS.stop - 1
    blue_edge = int(np.searchsorted(REST_WAVE, 3600.0))
    bend = np.log(REST_WAVE[edge] / REST_WAVE[blue_edge])
    local = (log_flux[:, edge] - log_flux[:, blue_edge]) / bend
    slope = np.clip(0.5 * local - 1.0 + 0.15 * noise[:, 7], -2.5, -1.0)[:, None]
    disc = np.exp(log_flux[:, edge, None] + slope * np.log(REST_WAVE[red] / REST_WAVE[edge]))
    scale = np.exp(log_flux[:, edge]) * REST_WAVE[edge]
    flux = np.zeros_like(log_flux)
    flux[:, red] = disc + _dust(scale, noise)
    _tied_lines(flux, log_flux, noise)
    log_flux[:, red] = np.log(flux[:, red])


def _dust(scale: Array, noise: Array) -> Array:
    """f_lambda of the torus redward of the components; zero at their end."""
    wave = REST_WAVE[PCA_PIXELS.stop :]
    hot = scale * HOT_LIGHT * 10 ** (0.17 * noise[:, 2]) / 23_000.0
    warm = scale * WARM_LIGHT * 10 ** (0.2 * noise[:, 3]) / 60_000.0
    temperature = HOT_DUST * (1 + 0.08 * noise[:, 4])[:, None]
    light = hot[:, None] * _planck(wave, temperature) / _planck(np.array([23_000.0]), temperature)
    warm_shape = _planck(wave, WARM_DUST) / _planck(np.array([60_000.0]), WARM_DUST)
    return np.asarray(light + warm[:, None] * warm_shape)


def _planck(wave: Array, temperature: Array | float) -> Array:
    """Black body in f_lambda, arbitrary scale. wave: Angstrom; temperature: K."""
    return np.asarray(1e20 * wave**-5.0 / np.expm1(1.4388e8 / (wave * temperature)))


def _tied_lines(flux: Array, log_flux: Array, noise: Array) -> None:
    """Broad lines by the flux and width of H-beta, narrow ones by [OIII]."""
    _, fwhm, h_beta = lines.measure_line(log_flux, 4770.0, 4940.0)
    fwhm = np.clip(fwhm, 1500.0, 12_000.0)
    h_alpha = H_ALPHA * 10 ** (0.07 * noise[:, 5]) * np.maximum(h_beta, 0)
    for wave, ratio in lines.BROAD_RATIOS:
        lines.add_line(flux, wave, ratio * h_alpha, 0.95 * fwhm)
    _, _, o_iii = lines.measure_line(log_flux, 4975.0, 5045.0)
    narrow = np.maximum(o_iii, 0) * 10 ** (0.2 * noise[:, 6])
    for wave, ratio in lines.NARROW_RATIOS:
        lines.add_line(flux, wave, ratio * narrow, np.full(len(flux), 500.0), reach=0.01)


def smc_extinction(wave: Array, ebv: Array) -> Array:
    """Transmission through dust like the Small Magellanic Cloud's, (num_sources, num_wave).

    A(lambda) = E(B-V) 1.39 (lambda / um)^-1.2 (Richards et al. 2003, after Prevot et al. 1984).
    """
    return np.asarray(10 ** (-0.4 * ebv[:, None] * 1.39 * (wave / 1e4) ** -1.2))


@dataclass(frozen=True)
class HostTemplates:
    """An old and a star-forming galaxy on REST_WAVE, f_lambda over that at 5100 Angstrom."""

    old: Array
    young: Array


@cache
def host_templates() -> HostTemplates:
    """Two templates of the kcorrect package: the one without young stars and a steady former."""
    path = distribution("kcorrect").locate_file("kcorrect/data/templates/kcorrect-default-v4.fits")
    row = fits.getdata(path, 1)[0]
    wave = row["wave"].astype(float)
    pair = [
        np.interp(REST_WAVE, wave, flux.astype(float)) / np.interp(5100.0, wave, flux.astype(float))
        for flux in (row["flux"][OLD], row["flux"][YOUNG])
    ]
    return HostTemplates(*pair)


def host_ratio(log_l5100: Array) -> Array:
    """Host over quasar light at 5100 Angstrom (Shen et al. 2011, Eq. 1, fitted for x < 1.053)."""
    x = np.clip(log_l5100 - 44, -0.7, 1.053)
    ratio = 0.8052 - 1.5502 * x + 0.9121 * x**2 - 0.1577 * x**3
    beyond = np.maximum(log_l5100 - 44 - 1.053, 0)
    return np.asarray(np.maximum(ratio, 0.02) * 10 ** (-0.7 * beyond))
