"""Quasars of the simulated sky obey the laws they are built on."""

import numpy as np
import pytest

from ojala.physics.cosmology import sphere_area
from ojala.sky.deviates import normals, uniforms
from ojala.sky.quasars import counts, forest, lines, outflows, quasars
from ojala.sky.quasars.sed import quasar_light, smc_extinction
from ojala.sky.quasars.shapes import PCA_PIXELS, REST_WAVE, components, joined

WAVE = np.exp(np.arange(np.log(3300.0), np.log(9900.0), 2e-4))


@pytest.fixture(scope="module")
def truth():
    return quasars.draw(np.random.default_rng(7), 300, "qso")


def alone(truth, rows, **changes):
    """Chosen quasars without host, dust or outflow."""
    part = {name: column[rows] for name, column in truth.items()}
    num = len(part["z"])
    quiet = np.arange(10_000)
    quiet = quiet[uniforms(quiet, 5, stream=40)[:, 0] > outflows.FRACTION][:num]
    part |= {"host_fraction": np.zeros(num), "ebv": np.zeros(num), "seed": quiet}
    return part | {name: np.full(num, value) for name, value in changes.items()}


def test_selections_hold(truth):
    assert set(truth["spectype"]) == {"QSO"}
    assert np.all((truth["mag_r"] > 16) & (truth["mag_r"] < 23))
    assert np.all((truth["z"] >= 0.05) & (truth["z"] <= 5))
    field = quasars.draw(np.random.default_rng(8), 100, "field")
    assert np.all(field["mag_i"] < 22.7)
    with pytest.raises(ValueError, match="expected one of qso, field"):
        quasars.draw(np.random.default_rng(8), 1, "lrg")


def test_draw_and_render_follow_from_the_seed_at_any_block_size(truth):
    again = quasars.draw(np.random.default_rng(7), 300, "qso")
    assert all(np.array_equal(truth[name], again[name]) for name in truth)
    whole = quasars.render(truth, WAVE[::40])
    halves = [
        quasars.render({k: v[rows] for k, v in truth.items()}, WAVE[::40])
        for rows in (slice(0, 37), slice(37, 300))
    ]
    np.testing.assert_allclose(whole, np.concatenate(halves), rtol=1e-6)
    assert np.all(np.isfinite(whole)) and np.all(whole >= 0)


def test_no_sources_is_no_error():
    nothing = quasars.draw(np.random.default_rng(1), 0, "qso")
    assert len(nothing["z"]) == 0 and quasars.render(nothing, WAVE).shape == (0, len(WAVE))


def test_luminosity_is_flux_times_the_sphere(truth):
    part = alone(truth, slice(0, 20), z=1.0)
    at_3000 = quasars.render(part, np.array([5999.0, 6000.0, 6001.0]))[:, 1].astype(float) * 1e-17
    luminosity = at_3000 * 6000.0 * sphere_area(part["z"])
    np.testing.assert_allclose(np.log10(luminosity), part["LOGL3000"], atol=2e-3)


def test_ten_times_the_luminosity_is_ten_times_the_continuum(truth):
    part = alone(truth, slice(0, 20), z=1.5, LOGL3000=45.0)
    brighter = part | {"LOGL3000": np.full(20, 46.0)}
    wave = np.array([7500.0, 8000.0])  # 3000 and 3200 Angstrom: no line that the effect weakens
    np.testing.assert_allclose(
        quasars.render(brighter, wave) / quasars.render(part, wave), 10.0, rtol=1e-4
    )


@pytest.mark.parametrize(("line", "z"), [(1549.1, 2.5), (2799.1, 1.2), (6564.6, 0.3)])
def test_lines_are_redshifted(truth, line, z):
    composite = np.median(quasars.render(alone(truth, slice(0, 200), z=z), WAVE), axis=0)
    near = np.abs(WAVE / (line * (1 + z)) - 1) < 0.03
    sloped = composite[near] * WAVE[near] ** 1.5
    peak = WAVE[near][np.argmax(sloped)]
    assert abs(peak / (line * (1 + z)) - 1) < 0.006  # C IV is blueshifted by 1000 km/s


def test_baldwin_effect():
    seed, z = np.arange(200), np.full(200, 2.0)
    widths = [
        np.median(lines.measure_line(quasar_light(seed, z, np.full(200, log_l)), 1494.0, 1620.0)[0])
        for log_l in (45.0, 46.0)
    ]
    assert 1.3 < widths[0] / widths[1] < 1.75  # 10^0.2 at the same shape


def test_composite_has_the_equivalent_widths_of_vanden_berk():
    seed, z = np.arange(600), np.full(600, 1.5)
    log_flux = quasar_light(seed, z, np.full(600, 46.0))
    expected = {(1494.0, 1620.0): 23.8, (1830.0, 1976.0): 21.2, (2695.0, 2905.0): 32.3}
    for window, width in expected.items():
        measured = np.median(lines.measure_line(log_flux, *window)[0])
        assert 0.65 < measured / width < 1.35, window


def test_virial_mass_formula():
    mass = lines.virial_mass(np.array([1000.0, 4000.0]), np.array([44.0, 46.0]))
    np.testing.assert_allclose(mass, [6.86, 6.86 + 2 * np.log10(4) + 1.0])


def test_the_rendered_mg_ii_line_tells_the_mass(truth):
    rows = np.flatnonzero((truth["ebv"] == 0) & (truth["z"] > 0.6) & (truth["z"] < 2.0))
    rows = rows[uniforms(truth["seed"][rows], 5, stream=40)[:, 0] > outflows.FRACTION]
    part = {name: column[rows] for name, column in truth.items()}
    part["host_fraction"] = np.zeros(len(rows))
    for row in range(len(rows)):
        one = {name: column[row : row + 1] for name, column in part.items()}
        light = quasars.render(one, REST_WAVE[1100:4000] * (1 + one["z"][0])).astype(float)
        log_flux = np.full((1, len(REST_WAVE)), -50.0)
        log_flux[:, 1100:4000] = np.log(light)
        _, fwhm, _ = lines.measure_line(log_flux, 2695.0, 2905.0)
        mass = lines.virial_mass(fwhm, one["LOGL3000"])
        assert abs(mass - one["LOGMBH"]) < 0.02


def test_measured_width_is_that_of_a_gaussian():
    flux = np.ones((2, len(REST_WAVE)))
    lines.add_line(flux, 2800.0, np.array([30.0, 60.0]), np.array([3000.0, 6000.0]))
    width, fwhm, line_flux = lines.measure_line(np.log(flux), 2650.0, 2960.0)
    np.testing.assert_allclose(fwhm, [3000.0, 6000.0], rtol=0.02)
    np.testing.assert_allclose(width, [30.0, 60.0], rtol=0.02)
    np.testing.assert_allclose(line_flux, [30.0, 60.0], rtol=0.02)


def test_mean_forest_transmission_is_the_law():
    z, seed = np.full(400, 3.0), np.arange(400)
    log_wave = np.arange(int(np.log(4150) / forest.STEP), int(np.log(4800) / forest.STEP))
    log_wave = log_wave * forest.STEP
    passed = forest.transmission(log_wave, z, seed)  # between Lyman beta and alpha of z = 3
    law = np.exp(-forest.effective_depth(np.exp(log_wave) / forest.LYMAN_ALPHA - 1))
    np.testing.assert_allclose(passed.mean(), law.mean(), rtol=0.01)


def test_forest_ends_at_the_quasar_and_grows_with_redshift():
    log_wave = np.arange(8100 * 4, 8750 * 4) * 2.5e-4
    passed = forest.transmission(log_wave, np.array([2.2, 3.0]), np.array([5, 5]))
    beyond = np.exp(log_wave) > forest.LYMAN_ALPHA * 3.21
    assert np.all(passed[0, beyond] == 1.0) and passed[1, beyond].min() < 1.0
    assert forest.effective_depth(np.array([3.0])) > 2 * forest.effective_depth(np.array([2.0]))


def test_lyman_limit_takes_the_far_ultraviolet(truth):
    part = alone(truth, slice(0, 40), z=4.0, LOGL3000=46.0)
    flux = quasars.render(part, WAVE)
    below, above = WAVE < 800 * 5.0, (WAVE > 6300) & (WAVE < 7000)
    assert np.median(flux[:, below].mean(axis=1) / flux[:, above].mean(axis=1)) < 0.02


def test_troughs_lie_blueward_of_their_line():
    rest_wave = np.linspace(1450.0, 1600.0, 600)
    seed = np.arange(500)
    passed = outflows.troughs(seed, rest_wave)
    absorbed = passed.min(axis=1) < 0.95
    assert 0.07 < absorbed.mean() < 0.17
    high = uniforms(seed, 5, stream=40)[:, 1] > outflows.LOW_IONISATION
    assert np.all(passed[np.ix_(high, rest_wave > 1550)] > 0.98)


def test_dust_reddens():
    dust = smc_extinction(np.array([2000.0, 5000.0, 20_000.0]), np.array([0.0, 0.1, 0.3]))
    assert np.all(dust[0] == 1)
    assert np.all(np.diff(dust[1:], axis=1) > 0) and np.all(dust[2] < dust[1])


def test_counts_agree_with_the_published_ones():
    # Palanque-Delabrouille et al. 2016, Table 7: r = 21.0-21.5, 10,000 deg^2, z = 1-2 and 2-3
    sky = quasars._candidates(np.random.default_rng(3), 5000, "field")
    per_candidate = counts.density(22.7 + quasars.MARGIN) / 5000 * 1e4
    bright = (sky["mag_r"] > 21.0) & (sky["mag_r"] < 21.5)
    for start, published in ((1, 172_381), (2, 108_661)):
        here = bright & (sky["z"] > start) & (sky["z"] <= start + 1)
        assert 0.75 < here.sum() * per_candidate / published < 1.3
    per_deg2 = counts.density(22.7 + quasars.MARGIN) * np.mean(sky["mag_i"] < 22.7)
    assert 150 < per_deg2 < 400


def test_quasars_are_red_in_wise():
    sky = quasars.draw(np.random.default_rng(4), 200, "qso")
    bands = (np.linspace(28_000, 38_500, 40), np.linspace(40_500, 52_000, 40))
    w1, w2 = (-2.5 * np.log10(quasars.render(sky, w).mean(axis=1) * w.mean() ** 2) for w in bands)
    vega = w1 - w2 + 0.64
    middle = (sky["z"] > 0.8) & (sky["z"] < 2.0)
    assert 0.9 < np.median(vega[middle]) < 1.35


def test_bootstrap_keeps_mean_and_variance():
    _, red = components()
    quasar = (uniforms(np.arange(20_000), 1, stream=1)[:, 0] * len(red.coefficients)).astype(int)
    drawn = red.scattered(quasar, normals(np.arange(20_000), 8, stream=2))
    np.testing.assert_allclose(drawn.std(axis=0), red.coefficients.std(axis=0), rtol=0.05)


def test_the_two_sets_join_without_a_step():
    log_flux = joined(np.arange(300), np.linspace(0.2, 4.0, 300))
    rest = REST_WAVE[PCA_PIXELS]
    steps = np.abs(np.diff(log_flux[:, (rest > 2100) & (rest < 2700)], axis=1))
    assert steps.max() < 0.02


def test_deviates_are_uniform_and_independent():
    uniform = uniforms(np.arange(20_000), 3, stream=1)
    assert abs(uniform.mean() - 0.5) < 0.005 and abs(uniform.std() - 12**-0.5) < 0.005
    other = uniforms(np.arange(20_000), 3, stream=2)
    assert abs(np.corrcoef(uniform[:, 0], other[:, 0])[0, 1]) < 0.03
    assert abs(np.corrcoef(uniform[:, 0], uniform[:, 1])[0, 1]) < 0.03
    assert abs(np.corrcoef(uniform[1:, 0], uniform[:-1, 0])[0, 1]) < 0.03
    assert abs(normals(np.arange(20_000), 1, stream=1).std() - 1) < 0.02
