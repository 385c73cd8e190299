from functools import cache

import numpy as np
import pytest
from astropy import units as u
from scipy.optimize import nnls
from speclite.filters import load_filters

from ojala.physics.cosmology import sphere_area
from ojala.sky.galaxies import demographics, galaxies, starlight
from ojala.sky.galaxies.fits_of_real_ones import nonnegative, real_galaxies
from ojala.sky.galaxies.magnitudes import RESPONSES
from ojala.sky.galaxies.selection import SAMPLES, fiber_loss
from ojala.sky.galaxies.stars_and_dust import remaining
from ojala.sky.galaxies.templates import POPULATIONS, populations

OPTICAL = np.arange(3300.0, 11000.0, 4.0)
WIDE = np.concatenate([OPTICAL, np.arange(11000.0, 56000.0, 50.0)])


@cache
def drawn(sample, num_sources=1500):
    return galaxies.draw(np.random.default_rng(3), num_sources, sample)


def rows(truth, chosen):
    return {name: values[chosen] for name, values in truth.items()}


def ratios(truth):
    """Coordinates of BPT and WHAN."""
    oxygen = np.log10(truth["OIII_5007_FLUX"] / truth["HBETA_4861_FLUX"])
    nitrogen = np.log10(truth["NII_6584_FLUX"] / truth["HALPHA_6562_FLUX"])
    return nitrogen, oxygen, truth["HALPHA_6562_EW"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_truth_is_whole_and_spectra_are_positive(sample):
    truth = drawn(sample)
    assert {len(values) for values in truth.values()} == {1500}
    numbers = [values for values in truth.values() if values.dtype.kind == "f"]
    assert all(np.all(np.isfinite(values)) for values in numbers)
    spectra = galaxies.render(rows(truth, slice(0, 50)), WIDE)
    assert spectra.dtype == np.float32
    assert np.all(np.isfinite(spectra)) and np.all(spectra > 0)


@pytest.mark.parametrize("sample", SAMPLES)
def test_selection_holds_on_rendered_spectra(sample):
    truth = rows(drawn(sample), slice(0, 200))
    spectra = galaxies.render(truth, WIDE) * 1e-17 * u.erg / u.s / u.cm**2 / u.AA
    bands = SAMPLES[sample].bands
    filters = load_filters(*(RESPONSES[band] for band in bands))
    table = filters.get_ab_magnitudes(spectra, WIDE * u.AA)
    mags = {band: np.array(table[RESPONSES[band]]) for band in bands}
    for band in bands:
        assert np.median(np.abs(mags[band] - truth[f"mag_{band}"])) < 0.01
    assert SAMPLES[sample].select(mags, fiber_loss(truth["r_half"])).mean() > 0.95
    low, high = SAMPLES[sample].redshifts
    assert np.all((truth["z"] >= low) & (truth["z"] <= high))


def test_same_seed_same_galaxies():
    first, second = (galaxies.draw(np.random.default_rng(8), 40, "bgs") for _ in range(2))
    other = galaxies.draw(np.random.default_rng(9), 40, "bgs")
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["z"], other["z"])
    assert np.array_equal(galaxies.render(first, OPTICAL), galaxies.render(second, OPTICAL))


def test_a_source_looks_the_same_in_any_company():
    truth = drawn("field")
    alone = galaxies.render(rows(truth, slice(7, 8)), OPTICAL)
    among = galaxies.render(rows(truth, slice(0, 20)), OPTICAL)
    assert np.array_equal(among[7], alone[0])


def test_no_galaxies_can_be_drawn():
    assert len(galaxies.draw(np.random.default_rng(1), 0, "bgs")["z"]) == 0


def test_unknown_sample_is_named():
    with pytest.raises(ValueError, match="'dwarfs'"):
        galaxies.draw(np.random.default_rng(1), 5, "dwarfs")


def test_light_spreads_over_the_luminosity_sphere():
    near = rows(drawn("bgs"), slice(0, 20))
    near["z"] = np.full(20, 0.1)
    far = near | {"z": np.full(20, 0.5)}
    rest = np.arange(4000.0, 7000.0, 5.0)
    luminosity = [
        starlight.continuum(truth, rest * (1 + z)) * (1 + z) * sphere_area(z)
        for truth, z in ((near, 0.1), (far, 0.5))
    ]
    assert luminosity[0] == pytest.approx(luminosity[1], rel=1e-3)


@pytest.mark.parametrize("line", ["HALPHA_6562", "OIII_5007", "HBETA_4861"])
def test_equivalent_width_can_be_measured(line):
    truth = drawn("bgs")
    strong = rows(truth, np.flatnonzero((truth[f"{line}_EW"] > 5) & (truth["z"] < 0.4))[:60])
    alone = strong | {
        name: values * (name == f"{line}_FLUX")
        for name, values in strong.items()
        if name.endswith("_FLUX") or name == "broad_fraction"
    }
    wave = np.arange(4000.0, 9800.0, 0.8)
    light = galaxies.render(alone, wave)
    bare = starlight.continuum(strong, wave)
    rest = wave / (1 + strong["z"][:, None])
    beside = np.zeros(rest.shape, dtype=bool)
    for low, high in starlight.SIDE_BANDS[line]:
        beside |= (rest > low) & (rest < high)
    level = (bare * beside).sum(axis=1) / beside.sum(axis=1)
    width = (light - bare).sum(axis=1) * 0.8 / level / (1 + strong["z"])
    assert width == pytest.approx(strong[f"{line}_EW"], rel=0.02)


def test_continuum_is_the_truth_beside_halpha():
    truth = rows(drawn("bgs"), slice(0, 100))
    wave = np.arange(6000.0, 10800.0, 2.0)
    bare = starlight.continuum(truth, wave)
    rest = wave / (1 + truth["z"][:, None])
    beside = ((rest > 6480) & (rest < 6535)) | ((rest > 6610) & (rest < 6660))
    level = np.ma.median(np.ma.array(bare, mask=~beside), axis=1)
    assert np.asarray(level) == pytest.approx(truth["HALPHA_CONT"], rel=0.03)


def test_populations_have_no_lines():
    stars = populations()
    for centre in (3728.5, 4959.0, 5008.2, 6564.6, 6585.0):
        at = np.abs(stars.wave - centre) < 6
        beside = (np.abs(stars.wave - centre) < 60) & (np.abs(stars.wave - centre) > 25)
        excess = stars.luminosity[:, at].mean(axis=1) / stars.luminosity[:, beside].mean(axis=1)
        assert np.all(excess < 1.06)


def test_mass_is_that_of_the_populations():
    truth = drawn("field")
    formed = np.column_stack([truth[f"formed_{name}"] for name in POPULATIONS])
    assert np.log10(remaining(formed, truth["age_old"])) == pytest.approx(truth["LOGM"], abs=1e-6)
    heavier = truth | {f"formed_{name}": 2 * truth[f"formed_{name}"] for name in POPULATIONS}
    ratio = starlight.continuum_at(heavier, "HBETA_4861") / truth["HBETA_CONT"]
    assert ratio == pytest.approx(2.0)


def test_rate_is_that_of_the_youngest_stars():
    truth = drawn("field")
    rate = (truth["formed_burst"] + 0.4256 * truth["formed_young"]) / 1e7
    assert np.log10(rate) == pytest.approx(truth["LOGSFR"], abs=0.01)


def test_old_populations_redden_and_fade_with_age():
    stars = populations()
    old = stars.luminosity[len(POPULATIONS) - 1 :]
    blue, red = (np.abs(stars.wave - at).argmin() for at in (4200, 6200))
    assert np.all(np.diff(old[:, blue] / old[:, red]) < 0)
    assert np.all(np.diff(old[:, red]) < 0)
    assert np.all(np.diff(stars.remaining[len(POPULATIONS) - 1 :]) < 0)


def test_dust_dims_and_reddens_a_galaxy():
    truth = rows(drawn("elg"), slice(0, 30))
    clear = starlight.continuum(truth | {"ebv_dust": np.zeros(30)}, OPTICAL)
    dusty = starlight.continuum(truth | {"ebv_dust": np.full(30, 0.3)}, OPTICAL)
    assert np.all(dusty < clear)
    assert np.all(np.diff((dusty / clear)[:, ::200], axis=1)[:, 5:] > 0)


def test_star_forming_galaxies_and_nuclei_keep_to_their_sides_of_bpt():
    for sample in ("bgs", "elg"):
        truth = drawn(sample)
        nitrogen, oxygen, width = ratios(truth)
        kewley = (nitrogen < 0.4) & (oxygen < 0.61 / (nitrogen - 0.47) + 1.19)
        kauffmann = (nitrogen < 0.0) & (oxygen < 0.61 / (nitrogen - 0.05) + 1.3)
        forming = (truth["agn_fraction"] < 0.01) & ~truth["quiescent"] & (width > 10)
        assert kewley[forming].mean() > 0.95
        nuclear = truth["agn_fraction"] > 0.8
        assert not np.any(kauffmann[nuclear])


def test_every_branch_of_whan_is_there():
    nitrogen, _, width = ratios(drawn("bgs"))
    right = nitrogen > -0.4
    branches = {
        "star forming": (width > 3) & ~right,
        "strong nucleus": (width > 6) & right,
        "weak nucleus": (width > 3) & (width < 6) & right,
        "retired": (width > 0.5) & (width < 3),
        "passive": width < 0.5,
    }
    assert {name: share.mean() > 0.02 for name, share in branches.items()} == dict.fromkeys(
        branches, True
    )


def test_star_formation_rises_with_mass_and_redshift():
    logm = np.array([8.5, 9.5, 10.5, 11.3])
    for z in (0.1, 0.7, 1.5):
        slope = np.diff(demographics.main_sequence(np.full(4, z), logm)) / np.diff(logm)
        assert np.all((slope > 0.1) & (slope <= 1.05))
    now, then = (demographics.main_sequence(np.full(4, z), logm) for z in (0.0, 1.2))
    assert np.all(then > now + 0.4)
    truth = drawn("bgs")
    quiet = truth["quiescent"]
    rate = truth["LOGSFR"] - truth["LOGM"]
    assert np.median(rate[quiet]) < np.median(rate[~quiet]) - 1


def test_samples_have_the_surface_density_of_the_surveys():
    assert galaxies.surface_density("bgs") == pytest.approx(1400, rel=0.2)
    assert galaxies.surface_density("lrg") == pytest.approx(620, rel=0.35)
    assert galaxies.surface_density("field") == pytest.approx(21000, rel=0.2)


def test_least_squares_agree_with_scipy():
    rng = np.random.default_rng(2)
    design = rng.random((20, 8, 4))
    measured = rng.standard_normal((20, 8)) + 0.5
    gram = np.einsum("nbk,nbl->nkl", design, design)
    x, _ = nonnegative(gram, np.einsum("nbk,nb->nk", design, measured))
    for row in range(20):
        assert x[row] == pytest.approx(nnls(design[row], measured[row])[0], abs=1e-6)


def test_populations_fit_real_galaxies():
    real = real_galaxies()
    assert len(real.z) > 3000
    assert np.median(real.chi2) < 8.0
    assert np.all(real.formed >= 0)
