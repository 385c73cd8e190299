import numpy as np
import pytest

from ojala.physics.jpas_filters import flux_of_mag, mag_of_flux
from ojala.physics.synphot import flux_density
from ojala.sky.footprint import places, tile_of
from ojala.sky.instruments.depths import jpas_depths
from ojala.sky.instruments.jpas_side import DETECTION, calibration, in_aperture, observe
from ojala.sky.instruments.light import FIELD_STEP, BandLight, response_matrix
from ojala.sky.instruments.tiles import draw_tiles

HEALPIX, NUM = 10375, 3000


def sky(mag_i, r_half=0.0, missing_tray_share=0.0, num=NUM):
    """Sources of a flat f_nu spectrum in one cell, and its tiles."""
    rng = np.random.default_rng(7)
    ra, dec = places(rng, num, HEALPIX)
    truth = {
        "ra": ra,
        "dec": dec,
        "tile": tile_of(ra, dec),
        "r_half": np.full(num, r_half),
        "sersic": np.ones(num),
        "neighbour": np.full(num, -1),
    }
    matrix = response_matrix(FIELD_STEP)
    flux = flux_density(np.broadcast_to(mag_i, num)[:, None], matrix.pivot)
    light = BandLight(flux_lambda=flux, bands=matrix.bands, pivot=matrix.pivot)
    return truth, light, draw_tiles(rng, HEALPIX, missing_tray_share)


def residuals(truth, light, tiles, gap):
    """(measured - true) / stated error of the detected sources, in the aperture."""
    seen = observe(np.random.default_rng(8), truth, light, tiles, gap=gap)
    rows = {name: values[seen.rows] for name, values in truth.items()}
    tile = np.searchsorted(tiles.tile_id, rows["tile"])
    true = 100 * light.of(light.bands[:57])[seen.rows] * in_aperture(rows, tiles.seeing[tile], 0)
    return (seen.columns["flux_aper_cor_3_0"] - true) / seen.columns["flux_err_aper_cor_3_0"]


@pytest.mark.parametrize("r_half", [0.0, 1.0])
def test_without_a_gap_the_stated_errors_are_all_there_is(r_half):
    pulls = residuals(*sky(19.0, r_half), gap=0.0)
    assert np.abs(pulls.mean(axis=0)).max() < 5 / np.sqrt(NUM)
    assert np.mean(pulls**2) == pytest.approx(1, abs=0.02)


def test_the_gap_is_seen_and_grows_with_its_parameter():
    chi2 = [np.mean(residuals(*sky(19.0, 1.0), gap=gap) ** 2) for gap in (0.0, 0.5, 1.0)]
    assert chi2[1] > 2 * chi2[0]
    assert chi2[2] > 2 * chi2[1]


def test_the_gap_of_faint_sources_is_noise_that_filters_share():
    pulls = residuals(*sky(22.4), gap=1.0)
    correlation = np.corrcoef(pulls[:, 1:55].T)
    off = correlation[~np.eye(54, dtype=bool)]
    assert np.mean(np.diag(correlation, 1)) > np.mean(off) > 0.02
    assert 1.1 < np.median(np.var(pulls, axis=0)) < 1.5


def test_faint_sources_show_the_depth_of_the_table():
    """At its own 5 sigma magnitude, the scatter of a source's flux is a fifth of it."""
    truth, light, tiles = sky(22.4)
    seen = observe(np.random.default_rng(8), truth, light, tiles, gap=0.0)
    sigma = np.std(seen.columns["flux_aper_cor_3_0"], axis=0)
    depth, _ = mag_of_flux(5 * sigma[None], sigma[None])
    expected = jpas_depths().depth
    assert np.median(np.abs(depth[0] - expected)[1:55]) < 0.2  # four tiles, each with its own
    zero, _ = flux_of_mag(tiles.depth, np.zeros_like(tiles.depth))
    mean_tile = np.sqrt(np.mean((zero / 5) ** 2, axis=0))
    assert sigma == pytest.approx(mean_tile, rel=0.15)


def test_what_is_not_detected_in_i_is_not_catalogued():
    seen = observe(np.random.default_rng(8), *sky(np.linspace(21, 26, NUM)), gap=0.0)
    snr = seen.columns["flux_aper_cor_3_0"] / seen.columns["flux_err_aper_cor_3_0"]
    assert 0 < len(seen.rows) < NUM
    assert np.all(snr[:, -1] > DETECTION)
    assert np.any(seen.columns["flux_aper_cor_3_0"][:, 1] < 0)


def test_numbers_are_unique_in_a_tile_and_positions_near_the_truth():
    truth, light, tiles = sky(20.0)
    columns = (seen := observe(np.random.default_rng(8), truth, light, tiles, gap=1.0)).columns
    keys = set(zip(columns["tile_id"].tolist(), columns["number"].tolist(), strict=True))
    assert len(keys) == len(seen.rows) == NUM
    north = 3600 * (columns["delta_j2000"] - truth["dec"][seen.rows])
    assert np.std(north) == pytest.approx(0.07, rel=0.1)
    assert np.abs(north).max() < 0.5


def test_a_missing_tray_leaves_fewer_than_fifty_bands():
    truth, light, tiles = sky(20.0, missing_tray_share=1.0)
    columns = observe(np.random.default_rng(8), truth, light, tiles, gap=1.0).columns
    num_bands = np.isfinite(columns["flux_aper_cor_3_0"][:, 1:55]).sum(axis=1)
    assert num_bands.max() < 50
    assert np.all(np.isfinite(columns["flux_aper_cor_3_0"][:, -1]))
    assert np.array_equal(columns["norm_wmap_val"] > 0, np.isfinite(columns["flux_auto"]))


def test_a_neighbour_adds_light_and_a_flag():
    truth, light, tiles = sky(20.0)
    truth["neighbour"][0] = 1
    seen = observe(np.random.default_rng(8), truth, light, tiles, gap=0.0)
    blend = int(np.flatnonzero(seen.rows == 0)[0])
    flux = seen.columns["flux_aper_cor_3_0"][:, -1]
    assert flux[blend] / np.median(flux) == pytest.approx(1.7, abs=0.1)
    assert np.all(seen.columns["flags"][blend] & 3 == 3)


def test_calibration_is_that_of_the_tile_and_too_faint_in_the_blue():
    *_, tiles = sky(20.0)
    assert np.all(calibration(tiles, 0.0) == 1)
    offset = 2.5 * np.log10(calibration(tiles, 1.0))
    assert np.mean(offset[:, 1:5]) < np.mean(offset[:, 20:55])
    assert 0.02 < np.std(offset[:, 20:55]) < 0.06
