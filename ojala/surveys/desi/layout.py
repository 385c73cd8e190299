"""Columns, units and formats of DESI's coadd and redrock files, as far as they are used."""

from __future__ import annotations

from ojala.surveys.fits.hdus import Formats

FLUX_UNIT = "10**-17 erg/(s cm2 Angstrom)"
IVAR_UNIT = "10**+34 (s2 cm4 Angstrom2) / erg2"

FIBERMAP: Formats = {
    "TARGETID": ("K", None),
    "COADD_FIBERSTATUS": ("J", None),
    "TARGET_RA": ("D", "deg"),
    "TARGET_DEC": ("D", "deg"),
    "OBJTYPE": ("3A", None),
    "MORPHTYPE": ("4A", None),
    "EBV": ("E", "mag"),
    **{f"FLUX_{band}": ("E", "nanomaggy") for band in ("G", "R", "Z", "W1", "W2")},
    **{f"FLUX_IVAR_{band}": ("E", "nanomaggy^-2") for band in ("G", "R", "Z", "W1", "W2")},
    **{f"FIBERFLUX_{band}": ("E", "nanomaggy") for band in ("G", "R", "Z")},
    "PHOTSYS": ("1A", None),
    "COADD_EXPTIME": ("E", "s"),
    "MEAN_PSF_TO_FIBER_SPECFLUX": ("E", None),
}
"""Columns of FIBERMAP: those that are read, and written.

MEAN_PSF_TO_FIBER_SPECFLUX is the share of a point source's light that entered the fibre, by which
spectra are divided: a point source's spectrum has its total flux.
"""

REDSHIFTS: Formats = {
    "TARGETID": ("K", None),
    "Z": ("D", None),
    "ZERR": ("D", None),
    "ZWARN": ("K", None),
    "CHI2": ("D", None),
    "SPECTYPE": ("6A", None),
    "SUBTYPE": ("20A", None),
    "DELTACHI2": ("D", None),
}
"""Columns of REDSHIFTS that are written; CHI2, SUBTYPE and DELTACHI2 are not read."""

SCORES: Formats = {
    "TARGETID": ("K", None),
    **{f"MEDIAN_COADD_SNR_{letter}": ("E", None) for letter in "BRZ"},
    "TSNR2_LRG": ("E", None),
}
"""Columns of SCORES that are written; only TSNR2_LRG is read."""
