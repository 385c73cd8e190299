"""Constants of nature and of magnitudes that several rooms use, each once, with its unit."""

from __future__ import annotations

import math

SPEED_OF_LIGHT = 299_792.458
"""km/s."""

ANGSTROM_PER_SECOND = 2.99792458e18
"""The speed of light once more: f_lambda = f_nu ANGSTROM_PER_SECOND / wave^2."""

LYMAN_ALPHA = 1215.67
"""Rest wavelength in vacuum, Angstrom."""

AB_ZERO_FLUX = 3.631e-20
"""f_nu of magnitude 0 in the AB system, erg/s/cm2/Hz (Oke & Gunn 1983)."""

NANOMAGGIE_ZERO = 22.5
"""AB magnitude of one nanomaggie."""

POGSON = 2.5 / math.log(10)
"""Magnitudes per natural logarithm of a flux: what a relative error is in magnitudes."""

SQUARE_DEGREE = (math.pi / 180) ** 2
"""Steradian."""
