"""Stars of the simulated sky obey the laws they are built on."""

import numpy as np
import pytest

from ojala.sky.stars import populations, stars, tracks
from ojala.vocabulary.constants import SPEED_OF_LIGHT

WAVE = np.arange(3600.0, 9800.0, 4.0)


@pytest.fixture(scope="module")
def truth():
    return stars.draw(np.random.default_rng(3), 3000, "field")


def star(num=1, **changes):
    """Single dwarfs like the Sun at 10 pc."""
    values = dict(z=0.0, TEFF=5772.0, LOGG=4.44, FEH=0.0, ALPHAFE=0.0, companion_radius=0.0)
    values |= dict(
        companion_teff=3000.0, companion_logg=5.0, theta=stars.SUN_RADIUS_PER_PARSEC / 10
    )
    columns = {name: np.full(num, value) for name, value in values.items()}
    columns["helium"] = np.zeros(num, dtype=bool)
    return columns | {name: np.broadcast_to(value, num) for name, value in changes.items()}


def colour(truth, blue=4800.0, red=9000.0):
    flux = stars.render(truth, np.array([blue, red]))
    return -2.5 * np.log10(flux[:, 0] / flux[:, 1])


@pytest.mark.parametrize("sample", ["mws", "faint", "field"])
def test_selections_hold(sample):
    band, bright, faint = stars.SAMPLES[sample]
    drawn = stars.draw(np.random.default_rng(1), 400, sample)
    assert set(drawn["spectype"]) == {"STAR"} and np.all(drawn["r_half"] == 0)
    inside = (drawn[f"mag_{band}"] > bright - 1e-3) & (drawn[f"mag_{band}"] < faint + 1e-3)
    assert np.all(inside)


def test_unknown_samples_are_refused():
    with pytest.raises(ValueError, match="expected one of mws, faint, field"):
        stars.draw(np.random.default_rng(1), 3, "qso")


def test_draw_and_render_follow_from_the_seed_at_any_block_size(truth):
    again = stars.draw(np.random.default_rng(3), 3000, "field")
    assert all(np.array_equal(truth[n], again[n], equal_nan=n in "FEH ALPHAFE") for n in truth)
    whole = stars.render(truth, WAVE[::50])
    parts = [
        stars.render({k: v[rows] for k, v in truth.items()}, WAVE[::50])
        for rows in (slice(0, 1100), slice(1100, 3000))
    ]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-4)
    assert np.all(np.isfinite(whole)) and np.all(whole >= 0)


def test_no_sources_is_no_error():
    nothing = stars.draw(np.random.default_rng(1), 0, "mws")
    assert stars.render(nothing, WAVE).shape == (0, len(WAVE))


def test_flux_falls_with_the_square_of_distance():
    near, far = star(), star(theta=stars.SUN_RADIUS_PER_PARSEC / 100)
    np.testing.assert_allclose(stars.render(near, WAVE) / stars.render(far, WAVE), 100.0, rtol=1e-4)


def test_the_sun_has_its_absolute_magnitude():
    sun = stars._absolute(star(), np.array([1.0]), "r")
    assert abs(sun[0] - 4.65) < 0.06  # Willmer 2018: 4.65 in SDSS r, AB


def test_lines_move_with_radial_velocity():
    speed = 600.0 / SPEED_OF_LIGHT
    wave = np.arange(3900.0, 4000.0, 0.5)  # Ca II K, the deepest feature of the Sun
    rest, moved = (stars.render(star(z=z), wave)[0] for z in (0.0, speed))
    shifts = np.arange(0, 1000.0, 50.0) / SPEED_OF_LIGHT
    misfit = [np.sum((np.interp(wave, wave * (1 + s), rest) - moved)[30:] ** 2) for s in shifts]
    assert abs(shifts[np.argmin(misfit)] - speed) * SPEED_OF_LIGHT <= 50.0


def test_hotter_stars_are_bluer():
    teff = np.array([2600.0, 3200, 3800, 4200, 5000, 6000, 7500, 10_000, 15_000, 25_000, 40_000])
    assert np.all(np.diff(colour(star(len(teff), TEFF=teff))) < 0)
    dwarfs = np.geomspace(4600.0, 49_000.0, 12)
    white = star(12, TEFF=dwarfs, LOGG=8.0, FEH=np.nan)
    assert np.all(np.diff(colour(white, 5400.0, 7600.0)) < 0)


def test_metal_poor_stars_are_bluer_in_the_ultraviolet():
    feh = np.array([0.3, -0.5, -1.0, -1.5, -2.5])
    assert np.all(np.diff(colour(star(5, FEH=feh, TEFF=5500.0), 3700.0, 5500.0)) < 0)


def test_temperature_orders_the_colours_of_the_drawn_stars(truth):
    single = (truth["companion_radius"] == 0) & (truth["phase"] != "white dwarf")
    chosen = {name: column[single] for name, column in truth.items()}
    order = np.argsort(np.argsort(chosen["TEFF"]))
    reddening = np.argsort(np.argsort(colour(chosen)))
    assert np.corrcoef(order, reddening)[0, 1] < -0.97


def test_a_companion_adds_its_light():
    alone = stars.render(star(), WAVE).astype(float)
    pair = stars.render(star(companion_radius=0.5), WAVE).astype(float)
    companion = stars.render(
        star(TEFF=3000.0, LOGG=5.0, theta=0.5 * stars.SUN_RADIUS_PER_PARSEC / 10), WAVE
    )
    np.testing.assert_allclose(pair, alone + companion, rtol=1e-3)


def test_labels_of_white_dwarfs(truth):
    dwarf = truth["phase"] == "white dwarf"
    assert dwarf.any() and np.all(np.isnan(truth["FEH"]) == dwarf)
    assert np.all(truth["LOGG"][dwarf] > 7) and np.all(truth["LOGG"][~dwarf] < 6)


def test_gravity_radius_and_luminosity_close():
    mass, teff, log_l = np.array([1.0, 0.8]), np.array([5772.0, 4900.0]), np.array([0.0, 1.7])
    logg = tracks.gravity(mass, teff, log_l)
    radius = tracks.radius(mass, logg)
    np.testing.assert_allclose(2 * np.log10(radius) + 4 * np.log10(teff / 5772), log_l, atol=1e-9)
    assert abs(logg[0] - 4.438) < 1e-9


def test_turn_off_mass_inverts_the_lifetime():
    feh = np.array([-1.5, 0.0])
    age = tracks.lifetime(np.array([0.85, 1.2]), feh)
    np.testing.assert_allclose(tracks.turnoff_mass(age, feh), [0.85, 1.2])


def test_space_density_is_one_at_the_sun():
    for name in populations.POPULATIONS:
        here = populations.space_density(name, 1.0, 0.9, 1.0, 5.0)
        assert abs(here - 1) < 0.15


def test_halo_turn_off_stars_are_as_many_as_counted():
    # Bell et al. 2008: about 500 per deg^2 with 0.2 < g-r < 0.4 and 18.5 < r < 22.5
    sky = stars.draw(np.random.default_rng(5), 8000, "field")
    bands = [np.linspace(*edges, 40) for edges in ((4000.0, 5450.0), (5650.0, 7150.0))]
    g, r = (-2.5 * np.log10(stars.render(sky, w).mean(axis=1) * w.mean() ** 2) for w in bands)
    blue = (g - r > 0.2) & (g - r < 0.4) & (sky["mag_r"] > 18.5) & (sky["mag_r"] < 22.5)
    assert 300 < blue.mean() * stars.surface_density("field") < 800


def test_halo_is_poor_and_fast_and_alpha_rich(truth):
    halo, thin = (truth["population"] == name for name in ("halo", "thin disc"))
    assert np.nanmedian(truth["FEH"][halo]) < -1.2 < -0.3 < np.nanmedian(truth["FEH"][thin])
    assert truth["vrad"][halo].std() > 2 * truth["vrad"][thin].std()
    assert np.nanmedian(truth["ALPHAFE"][halo]) > np.nanmedian(truth["ALPHAFE"][thin]) + 0.1
