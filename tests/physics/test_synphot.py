"""Laws of synthetic photometry."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
import speclite.filters

from ojala.physics.responses import Response, packaged
from ojala.physics.synphot import FLUX_UNIT, ab_mag, ab_mag_err, flux_density, prepare, synthesize
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.constants import AB_ZERO_FLUX, ANGSTROM_PER_SECOND

WAVE = 3600 + 0.8 * np.arange(7781)
OPTICAL = (*(band.token for band in narrow_bands()), "MAG_i")


@pytest.fixture(scope="module")
def matrix():
    return prepare(WAVE, packaged(), OPTICAL)


@pytest.fixture(scope="module")
def spectra():
    rng = np.random.default_rng(3)
    smooth = (WAVE / 6000) ** rng.uniform(-3, 2, (21, 1))
    return (5 * smooth + rng.normal(0, 1, (21, len(WAVE)))).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_flat_source_of_3631_jansky_has_magnitude_zero_in_every_band(dtype):
    wave = np.geomspace(3000, 60_000, 20_000)
    flux = (AB_ZERO_FLUX * ANGSTROM_PER_SECOND / wave**2 / FLUX_UNIT).astype(dtype)[None]
    everything = prepare(wave, packaged(), tuple(packaged()))
    fluxes = synthesize(flux, None, everything)
    assert np.all(np.abs(ab_mag(fluxes.flux_lambda, everything.pivot)) < 1e-6)


def test_a_constant_flux_is_the_flux_of_every_band(matrix):
    fluxes = synthesize(np.full((2, len(WAVE)), 7.0), None, matrix)
    assert np.allclose(fluxes.flux_lambda, 7, rtol=1e-12)


def test_agrees_with_speclite(matrix, spectra):
    with_unit = spectra[:4] * FLUX_UNIT * u.erg / u.s / u.cm**2 / u.AA
    magnitudes = ab_mag(synthesize(spectra[:4], None, matrix).flux_lambda, matrix.pivot)
    for column, token in enumerate(OPTICAL):
        curve = packaged()[token]
        response = speclite.filters.FilterResponse(
            curve.wave, curve.throughput, {"group_name": "ojala", "band_name": token}
        )
        theirs = response.get_ab_maggies(with_unit, WAVE * u.AA)
        assert np.allclose(10 ** (-0.4 * magnitudes[:, column]), theirs, rtol=1e-4), token


def test_agrees_with_speclite_on_a_grid_coarser_than_the_response():
    wave = np.arange(3000.0, 10_500.0, 20.0)
    curve = packaged()["J0600"]
    flux = 1 + 0.3 * np.sin(wave / 300)[None]
    response = speclite.filters.FilterResponse(
        curve.wave, curve.throughput, {"group_name": "ojala", "band_name": "J0600"}
    )
    theirs = response.get_ab_magnitude(
        flux * FLUX_UNIT * u.erg / u.s / u.cm**2 / u.AA,
        wave * u.AA,
    )
    coarse = prepare(wave, packaged(), ("J0600",))
    ours = ab_mag(synthesize(flux, None, coarse).flux_lambda, coarse.pivot)
    assert np.isclose(ours[0, 0], theirs[0], atol=1e-4)


def test_is_linear(matrix, spectra):
    spectra = spectra.astype(np.float64)
    mixed = synthesize(2 * spectra[:3] - 0.5 * spectra[3:6], None, matrix).flux_lambda
    apart = synthesize(spectra[:6], None, matrix).flux_lambda
    assert np.allclose(mixed, 2 * apart[:3] - 0.5 * apart[3:], rtol=1e-9, atol=1e-9)


def test_errors_are_the_scatter_of_noisy_draws(matrix):
    rng = np.random.default_rng(11)
    ivar = rng.uniform(0.2, 3.0, (1, len(WAVE))).astype(np.float32)
    ivar[0, 2000:2006] = 0
    expected = synthesize(np.ones_like(ivar), ivar, matrix)
    sigma = np.where(ivar > 0, 1 / np.sqrt(np.where(ivar > 0, ivar, 1)), 0)
    draws = []
    for _ in range(20):
        noise = rng.standard_normal((500, len(WAVE)), dtype=np.float32) * sigma
        block = synthesize(1 + noise, np.broadcast_to(ivar, noise.shape), matrix)
        draws.append(block.flux_lambda)
    scatter = np.concatenate(draws).std(axis=0)
    assert np.allclose(scatter, expected.flux_err[0], rtol=0.03)


def test_a_flux_does_not_depend_on_its_neighbours(matrix, spectra):
    ivar = np.ones_like(spectra)
    ivar[::3, 100:2000] = 0
    together = synthesize(np.tile(spectra, (13, 1)), np.tile(ivar, (13, 1)), matrix)
    for size in (1, 5, 21):
        for first in range(0, 21, size):
            rows = slice(first, min(first + size, 21))
            apart = synthesize(spectra[rows], ivar[rows], matrix)
            for name in ("flux_lambda", "flux_err", "coverage"):
                assert np.array_equal(
                    getattr(apart, name), getattr(together, name)[rows], equal_nan=True
                )


def test_a_band_with_too_few_pixels_is_not_observed(matrix):
    flux = np.full((1, len(WAVE)), 4.0)
    centre = matrix.pivot[OPTICAL.index("J0600")]
    ivar = np.where(np.abs(WAVE - centre) < 20, 0.0, 1.0)[None]
    fluxes = synthesize(flux, ivar, matrix)
    assert set(np.array(OPTICAL)[~fluxes.observed[0]]) == {"J0600"}
    half = synthesize(flux, ivar, matrix, min_coverage=0.5)
    assert np.all(half.observed) and np.allclose(half.flux_lambda, 4)


def test_a_flux_with_pixels_missing_is_the_mean_of_the_others(matrix, spectra):
    rng = np.random.default_rng(2)
    ivar = (rng.random(spectra.shape) > 0.02).astype(np.float32)
    junk = np.where(ivar > 0, spectra, rng.choice([np.nan, np.inf, 1e6], spectra.shape))
    fluxes = synthesize(junk.astype(np.float64), ivar, matrix, min_coverage=0.8)
    column = OPTICAL.index("J0700")
    pixels = matrix.pixels[column]
    weights = matrix.weights[column] * ivar[:, pixels]
    mean = (weights * spectra[:, pixels]).sum(axis=1) / weights.sum(axis=1)
    assert np.allclose(fluxes.flux_lambda[:, column], mean)
    assert np.allclose(fluxes.coverage[:, column], weights.sum(axis=1))


def test_nothing_is_observed_where_the_grid_does_not_reach():
    blue = prepare(WAVE[WAVE < 5000], packaged(), ("J0400", "J0500", "J0900"))
    fluxes = synthesize(np.ones((1, len(blue.wave))), None, blue)
    assert fluxes.observed[0].tolist() == [True, False, False]
    assert 0 < fluxes.coverage[0, 1] < 0.95 and fluxes.coverage[0, 2] == 0


def test_a_spectrum_without_data_has_no_flux(matrix):
    flux = np.zeros((3, len(WAVE)), np.float32)
    fluxes = synthesize(flux, np.zeros_like(flux), matrix)
    assert not np.any(fluxes.observed) and np.allclose(fluxes.coverage, 0, atol=1e-6)


def test_reads_the_byte_order_of_fits(matrix, spectra):
    swapped = synthesize(spectra.astype(">f4"), np.ones(spectra.shape, ">f4"), matrix)
    native = synthesize(spectra, np.ones_like(spectra), matrix)
    assert np.array_equal(swapped.flux_lambda, native.flux_lambda)
    assert native.flux_lambda.dtype == np.float32 == swapped.flux_lambda.dtype


def test_relative_fluxes_lose_the_scale_and_keep_the_errors(matrix, spectra):
    ivar = np.full_like(spectra, 4.0)
    one = synthesize(spectra, ivar, matrix).relative_to("MAG_i")
    ten = synthesize(10 * spectra, ivar / 100, matrix).relative_to("MAG_i")
    assert np.allclose(one.flux_lambda, ten.flux_lambda, rtol=1e-5)
    assert np.allclose(one.flux_err, ten.flux_err, rtol=1e-5)
    assert np.allclose(one.flux_lambda[:, OPTICAL.index("MAG_i")], 1)
    dark = synthesize(-spectra, ivar, matrix).relative_to("MAG_i")
    assert not np.any(dark.observed)


def test_magnitudes_and_fluxes_are_inverses():
    flux = np.array([0.01, 1.0, 50.0])
    assert np.allclose(flux_density(ab_mag(flux, 5000.0), 5000.0), flux)
    assert np.isnan(ab_mag(np.array([-1.0]), 5000.0))[0]
    brighter = ab_mag(flux, 5000.0) - ab_mag(flux * (1 + 1e-4), 5000.0)
    assert np.allclose(ab_mag_err(flux, 1e-4 * flux), brighter, rtol=1e-3)


def test_the_pivot_links_both_flux_densities():
    edges = Response(np.array([4000.0, 4000.1, 6000.0, 6000.1]), np.array([0.0, 1.0, 1.0, 0.0]))
    top_hat = prepare(np.arange(3500.0, 6500.0), {"box": edges}, ("box",))
    expected = np.sqrt((6000**2 - 4000**2) / 2 / np.log(6000 / 4000))
    assert np.isclose(top_hat.pivot[0], expected, atol=0.1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda f, i: (np.where(WAVE > 5e3, np.nan, f), i),
            "spectrum 0 is not finite in J",
        ),
        (lambda f, i: (f[:, :-1], i), "flux has shape"),
        (lambda f, i: (f, i[:1]), "ivar has shape"),
    ],
)
def test_says_what_is_wrong(matrix, spectra, change, sentence):
    flux, ivar = change(spectra, np.ones_like(spectra))
    with pytest.raises(ValueError, match=sentence):
        synthesize(flux, ivar, matrix)


def test_asks_for_a_known_band_and_an_increasing_grid():
    with pytest.raises(ValueError, match="band 'J0001' has no response"):
        prepare(WAVE, packaged(), ("J0001",))
    with pytest.raises(ValueError, match="increase strictly"):
        prepare(WAVE[::-1], packaged(), ("J0400",))
