"""Hydrogen between a quasar and us: the Lyman-alpha forest, damped systems, the Lyman limit.

The mean transmission is that of Faucher-Giguere et al. 2008; around it ln(tau) is a Gaussian
field (the log-normal forest of Bi & Davidsen 1997), cut out of a long one where the seed says.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ojala.sky.deviates import uniforms
from ojala.vocabulary.constants import LYMAN_ALPHA, SPEED_OF_LIGHT

Array = NDArray[np.float64]

LYMAN_LIMIT = 911.75
"""Angstrom."""

SERIES = (
    (LYMAN_ALPHA, 1.0),
    (1025.72, 0.1602),
    (972.54, 0.0558),
    (949.74, 0.0271),
    (937.80, 0.0154),
)
"""Lyman lines: wavelength (Angstrom) and optical depth relative to Lyman alpha's."""

STEP = 2.5e-4
"""Cell of the field in ln(wavelength): 75 km/s."""

SIGMA_LOG_TAU = 1.7
"""Standard deviation of ln(tau) in a cell."""

WINGS = 1.1
"""Nothing absorbs beyond this many times the quasar's Lyman-alpha wavelength."""

FIELD_CELLS = 1 << 20


def effective_depth(z: Array) -> Array:
    """Effective optical depth 0.0018 (1 + z)^3.92 (Faucher-Giguere et al. 2008, Eq. 21)."""
    return np.asarray(0.0018 * (1 + z) ** 3.92)


@cache
def _gaussian_field() -> NDArray[np.float32]:
    """Unit-variance periodic field: structure of 100 km/s, 4 per cent of the power at 2000."""
    rng = np.random.default_rng(1216)
    frequency = np.fft.rfftfreq(FIELD_CELLS)
    cells = SPEED_OF_LIGHT * STEP
    power = np.zeros_like(frequency)
    for width, share in ((100.0, 0.96), (2000.0, 0.04)):
        kernel = np.exp(-((2 * np.pi * frequency * width / cells) ** 2))
        power += share * kernel / kernel.sum()
    noise = np.fft.rfft(rng.standard_normal(FIELD_CELLS))
    field = np.fft.irfft(noise * np.sqrt(power), FIELD_CELLS)
    return np.asarray(field / field.std(), dtype=np.float32)


@cache
def _median_depth() -> tuple[Array, Array]:
    """Mean transmission <exp(-tau)>, descending, as a function of ln(median tau)."""
    log_median = np.linspace(-12, 8, 400)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    depth = np.exp(log_median[:, None] + SIGMA_LOG_TAU * nodes)
    return log_median, np.exp(-depth) @ weights / weights.sum()


def transmission(log_wave: Array, z: Array, seed: NDArray[np.integer]) -> Array:
    """Share of the quasars' light that passes, (num_sources, num_wave).

    log_wave: ln of observed wavelengths in Angstrom, (num_wave,), cells of STEP or multiples of it
    """
    depth = np.zeros((len(z), len(log_wave)))
    start = (uniforms(seed, 1, stream=20)[:, 0] * FIELD_CELLS).astype(np.int64)
    for rest, strength in SERIES:
        depth += strength * _line_depth(log_wave, rest, z, start)
    return np.asarray(np.exp(-depth))


def _line_depth(log_wave: Array, rest: float, z: Array, start: NDArray[np.int64]) -> Array:
    """Optical depth in one Lyman line; zero redward of the quasar's own line."""
    log_absorber = log_wave - np.log(rest)
    log_median, mean = _median_depth()
    law = np.exp(-effective_depth(np.expm1(log_absorber)))
    median = np.interp(law[::-1], mean[::-1], log_median[::-1])[::-1]
    cell = np.rint(log_absorber / STEP).astype(np.int64)
    field = _gaussian_field()[(start[:, None] + cell) % FIELD_CELLS]
    before = log_absorber < np.log1p(z)[:, None]
    nothing = log_absorber <= 0
    depth = np.where(before & ~nothing, np.exp(median + SIGMA_LOG_TAU * field), 0.0)
    return np.asarray(depth)


def limit_systems(log_wave: Array, z: Array, seed: NDArray[np.integer]) -> Array:
    """Transmission through the three nearest Lyman-limit systems, (num_sources, num_wave).

    Systems of optical depth above one come at a rate 2.84 ((1 + z) / 4.5)^2.04 per unit redshift
    (Songaila & Cowie 2010); depths follow tau^-1.5.
    """
    uniform = uniforms(seed, 6, stream=21)
    z_system = z.astype(float)
    total = np.zeros((len(z), len(log_wave)))
    for system in range(3):
        rate = 2.84 * ((1 + z_system) / 4.5) ** 2.04
        z_system = np.maximum(z_system + np.log(uniform[:, system]) / rate, 0.0)
        depth = np.minimum(uniform[:, 3 + system] ** -2.0, 1e4)
        x = np.exp(log_wave) / (LYMAN_LIMIT * (1 + z_system[:, None]))
        total += np.where(x < 1, depth[:, None] * x**3, 0.0)
    return np.asarray(np.exp(-total))


def damped_systems(log_wave: Array, z: Array, seed: NDArray[np.integer]) -> Array:
    """Transmission through the damping wings of at most one damped system per line of sight.

    The wings of a column N are tau = (2.06 Angstrom / rest offset)^2 N / 10^20; the rate per unit
    redshift is 0.25 ((1 + z) / 4)^1.5 (about Noterdaeme et al. 2012), N from 10^20.3 to 10^21.8.

    log_wave: ln of Angstrom, (num_wave,); z, seed: (num_sources,)
    Returns (num_sources, num_wave).
    """
    uniform = uniforms(seed, 2, stream=22)
    rate = 0.25 * ((1 + z) / 4.0) ** 1.5
    z_system = z + np.log(uniform[:, 0]) / rate
    column = 10**0.3 * np.minimum(uniform[:, 1] ** -1.0, 30.0)
    offset = np.exp(log_wave) / (1 + np.maximum(z_system, 0)[:, None]) - LYMAN_ALPHA
    depth = 2.06**2 * column[:, None] / np.maximum(offset**2, 1e-2)
    reached = np.exp(log_wave) < WINGS * LYMAN_ALPHA * (1 + z[:, None])
    return np.asarray(np.where((z_system > 1.0)[:, None] & reached, np.exp(-depth), 1.0))
