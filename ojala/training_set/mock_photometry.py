"""The photometry of a mock: what J-PAS, the Legacy Surveys and WISE would say of a DESI source.

Narrow bands hold the shape of the spectrum, f_lambda over the synthetic i of the same spectrum;
the total light is in the broad bands. There is no Legacy i: the synthetic one is scaled by the
ratio of Legacy r to synthetic r (Section 2.3). Nothing is corrected for Milky-Way dust.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ojala.physics.responses import Response, legacy
from ojala.physics.synphot import (
    MIN_COVERAGE,
    BandFluxes,
    ResponseMatrix,
    ab_mag,
    ab_mag_err,
    prepare,
    synthesize,
)
from ojala.surveys.desi.arms import WAVE
from ojala.surveys.desi.coadds import Coadd
from ojala.surveys.legacy import ab_of_nanomaggies, in_north
from ojala.tables.shards import Columns, morphtype_codes
from ojala.vocabulary.bands import beside_tokens, narrow_bands, reference_band

NARROW = tuple(band.token for band in narrow_bands())
REFERENCE = reference_band().token
I_BAND = len(NARROW)
"""Column of i in the prepared matrix; r of the northern and of the southern camera follow."""

LEGACY_BANDS = {token: token.removeprefix("MAG_") for token in beside_tokens()}
"""FIBERMAP's band, as in FLUX_G and FLUX_IVAR_G, of each broad token."""


@dataclass(frozen=True, kw_only=True)
class MockPhotometry:
    """Photometry of the spectra of a coadd, row by row.

    columns: the observations of the training table, with errors; NaN where not observed
    i_flux, i_flux_err: synthetic i of the spectrum, 1e-17 erg/s/cm2/Angstrom
    usable: bool; i is positive beyond 1 sigma (the shape is a ratio to it, meaningless else)
    r_excess: synthetic r minus r in the fibre (FIBERFLUX_R), mag, NaN where either is missing;
        DESI calibrates spectra so that a point source has its total flux, some -0.27 mag
    """

    columns: Columns
    i_flux: NDArray[np.floating]
    i_flux_err: NDArray[np.floating]
    usable: NDArray[np.bool_]
    r_excess: NDArray[np.floating]


def prepare_bands(responses: Mapping[str, Response]) -> ResponseMatrix:
    """The narrow bands, i, and r of both Legacy cameras ("r_N", "r_S") on DESI's grid.

    Raises ValueError for a band that DESI's spectra do not cover: no mock could have it.
    """
    both = {f"r_{photsys}": legacy(photsys)["MAG_R"] for photsys in "NS"}
    matrix = prepare(WAVE, {**responses, **both}, [*NARROW, REFERENCE, *both])
    for token, coverage in zip(matrix.bands, matrix.coverage, strict=True):
        if coverage < MIN_COVERAGE:
            raise ValueError(
                f"DESI's spectra cover {coverage:.0%} of the response of {token}, expected "
                f"{MIN_COVERAGE:.0%}: it can be a filter of the catalogue, not a band of mocks"
            )
    return matrix


def photometry(coadd: Coadd, matrix: ResponseMatrix) -> MockPhotometry:
    """The photometry of every spectrum of a coadd; ``matrix`` as prepare_bands makes it."""
    fluxes = synthesize(coadd.spectra.flux, coadd.spectra.ivar, matrix)
    i_flux, i_flux_err = fluxes.flux_lambda[:, I_BAND], fluxes.flux_err[:, I_BAND]
    mag_i = ab_mag(i_flux, matrix.pivot[I_BAND]), ab_mag_err(i_flux, i_flux_err)
    mag_r = _synthetic_r(coadd, fluxes, matrix.pivot)
    shape = fluxes.relative_to(REFERENCE)
    columns = legacy_magnitudes(coadd.fibermap)
    for position, token in enumerate(NARROW):
        columns[token] = shape.flux_lambda[:, position]
        columns[f"{token}_ERR"] = shape.flux_err[:, position]
    columns[REFERENCE], columns[f"{REFERENCE}_ERR"] = observed_i(
        mag_i, mag_r, legacy_magnitude(coadd.fibermap, "R")
    )
    return MockPhotometry(
        columns=columns,
        i_flux=i_flux,
        i_flux_err=i_flux_err,
        usable=i_flux > i_flux_err,
        r_excess=mag_r[0] - _fibre_r(coadd.fibermap),
    )


def observed_i(
    synthetic_i: tuple[NDArray[np.floating], NDArray[np.floating]],
    synthetic_r: tuple[NDArray[np.floating], NDArray[np.floating]],
    legacy_r: tuple[NDArray[np.floating], NDArray[np.floating]],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The i magnitude of all the light, and 1 sigma: i + (Legacy r - synthetic r).

    Each argument is magnitude and error, (num_sources,). A source without Legacy r (or without
    synthetic r) keeps the synthetic i, the light in the fibre as the pipeline calibrated it.
    """
    scaled = np.isfinite(legacy_r[0]) & np.isfinite(synthetic_r[0])
    scale = np.where(scaled, legacy_r[0] - synthetic_r[0], 0)
    scale_err = np.where(scaled, np.hypot(legacy_r[1], synthetic_r[1]), 0)
    return synthetic_i[0] + scale, np.hypot(synthetic_i[1], scale_err)


def legacy_magnitudes(fibermap: Columns) -> Columns:
    """AB magnitudes of g, r, z, W1, W2 and MORPHTYPE from FIBERMAP; NaN where flux or ivar <= 0."""
    columns: Columns = {"MORPHTYPE": morphtype_codes(fibermap["MORPHTYPE"].tolist())}
    for token, band in LEGACY_BANDS.items():
        columns[token], columns[f"{token}_ERR"] = legacy_magnitude(fibermap, band)
    return columns


def legacy_magnitude(
    fibermap: Columns, band: str
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """AB magnitude and 1 sigma of all the light in G, R, Z, W1 or W2, (num_sources,) each."""
    return ab_of_nanomaggies(fibermap[f"FLUX_{band}"], fibermap[f"FLUX_IVAR_{band}"])


def is_north(
    photsys: NDArray[np.str_], ra: NDArray[np.float64], dec: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """True for sources of BASS and MzLS: PHOTSYS "N", or by position where it is blank.

    photsys, ra, dec (degrees): (num_sources,)
    """
    return np.asarray(np.where(photsys == "", in_north(ra, dec), photsys == "N"))


def _synthetic_r(
    coadd: Coadd, fluxes: BandFluxes, pivot: NDArray[np.float64]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """AB magnitude and error of r as the source's Legacy camera sees it."""
    columns = coadd.fibermap
    north = is_north(columns["PHOTSYS"], columns["TARGET_RA"], columns["TARGET_DEC"])
    camera = np.where(north, I_BAND + 1, I_BAND + 2)
    rows = np.arange(len(camera))
    flux, flux_err = fluxes.flux_lambda[rows, camera], fluxes.flux_err[rows, camera]
    return ab_mag(flux, pivot[camera]), ab_mag_err(flux, flux_err)


def _fibre_r(fibermap: Columns) -> NDArray[np.floating]:
    """The r magnitude that the Legacy image has within a fibre; its error is not in FIBERMAP."""
    flux = fibermap["FIBERFLUX_R"]
    return ab_of_nanomaggies(flux, np.ones(len(flux)))[0]
