import numpy as np
import pytest

from ojala.sky.galaxies import emission, lines
from ojala.sky.galaxies.nebular_continuum import per_hbeta

GRIDS = {
    "fine": np.arange(4000.0, 6000.0, 0.8),
    "coarse": np.arange(4000.0, 6000.0, 37.0),
    "uneven": np.geomspace(4000.0, 6000.0, 500) + np.sin(np.arange(500.0)),
}


def added(wave, centre, flux, sigma):
    spectra = np.zeros((len(centre), len(wave)), dtype=np.float32)
    lines.add_line(spectra, wave, np.array(centre), np.array(flux), np.array(sigma))
    return spectra


@pytest.mark.parametrize("grid", GRIDS)
def test_flux_is_kept_on_any_grid(grid):
    wave = GRIDS[grid]
    spectra = added(wave, [5000.3, 5432.1], [3.0, 20.0], [60.0, 900.0])
    assert spectra @ np.diff(lines.pixel_edges(wave)) == pytest.approx([3.0, 20.0], rel=1e-4)


def test_a_line_has_its_centre_and_width():
    wave = GRIDS["fine"]
    (profile,) = added(wave, [5000.0], [1.0], [300.0])
    mean = (profile * wave).sum() / profile.sum()
    width = np.sqrt((profile * (wave - mean) ** 2).sum() / profile.sum())
    assert mean == pytest.approx(5000.0, abs=0.01)
    assert width == pytest.approx(5000.0 * 300 / lines.SPEED_OF_LIGHT, rel=0.01)


def test_a_line_outside_the_grid_adds_nothing():
    assert not np.any(added(GRIDS["fine"], [3000.0, 9000.0], [1.0, 1.0], [100.0, 100.0]))


def test_a_line_across_the_edge_keeps_its_inner_half():
    wave = GRIDS["fine"]
    spectra = added(wave, [wave[0] - 0.4], [1.0], [300.0])
    assert spectra.sum() * 0.8 == pytest.approx(0.5, abs=0.01)


def test_lines_shift_with_redshift():
    wave = np.arange(3600.0, 9800.0, 0.8)
    spectra = np.zeros((2, len(wave)), dtype=np.float32)
    z = np.array([0.1, 0.3])
    flux = {"OIII_5007": np.ones(2)}
    lines.add_lines(spectra, wave, z, flux, np.full(2, 100.0))
    assert wave[spectra.argmax(axis=1)] == pytest.approx(5008.24 * (1 + z), abs=0.8)


def test_rest_waves_are_in_vacuum_and_increase():
    waves = lines.rest_waves()
    assert list(waves.values()) == sorted(waves.values())
    assert waves["HALPHA_6562"] == pytest.approx(6564.63, abs=0.05)
    assert waves["HBETA_4861"] == pytest.approx(4862.69, abs=0.05)


def test_every_kind_of_gas_gives_every_line_and_fixed_doublets():
    forming = emission.star_forming(np.linspace(7.6, 8.9, 30), np.zeros(30))
    nuclear = emission.active(np.linspace(0, 1, 30), np.zeros(30), np.full(30, 8.7))
    for ratios in (forming, nuclear):
        assert set(ratios) == set(lines.rest_waves())
        assert all(np.all(values >= 0) for values in ratios.values())
        assert ratios["OIII_5007"] / ratios["OIII_4959"] == pytest.approx(2.98)
        assert ratios["NII_6584"] / ratios["NII_6548"] == pytest.approx(3.05)
        assert np.all(ratios["HALPHA_6562"] / ratios["HBETA_4861"] > 2.8)


def test_metals_raise_nitrogen_and_cool_oxygen():
    ratios = emission.star_forming(np.array([8.0, 8.3, 8.6, 8.8]), np.zeros(4))
    assert np.all(np.diff(ratios["NII_6584"]) > 0)
    assert np.all(np.diff(ratios["OIII_5007"][1:]) < 0)
    assert ratios["OIII_4363"][0] / ratios["OIII_5007"][0] == pytest.approx(0.012, rel=0.5)


def test_nuclei_lie_where_seyferts_and_liners_do():
    ratios = emission.active(np.array([0.0, 1.0]), np.zeros(2), np.full(2, 8.75))
    nitrogen = np.log10(ratios["NII_6584"] / ratios["HALPHA_6562"])
    oxygen = np.log10(ratios["OIII_5007"])
    assert np.all(oxygen > 0.61 / (nitrogen - 0.47) + 1.19)
    assert np.all(nitrogen > -0.2)
    liner, seyfert = np.log10(ratios["OI_6300"] / ratios["HALPHA_6562"])
    assert liner > seyfert


def test_mixed_gas_adds_luminosities():
    one = emission.star_forming(np.array([8.5]), np.zeros(1))
    two = emission.active(np.ones(1), np.zeros(1), np.array([8.7]))
    total = emission.mixed([(np.array([2.0]), one), (np.array([5.0]), two)])
    assert total["HBETA_4861"] == pytest.approx(7.0)
    assert total["OIII_5007"] == pytest.approx(2 * one["OIII_5007"] + 5 * two["OIII_5007"])


def test_nebular_continuum_jumps_at_the_balmer_edge():
    below, above = per_hbeta(np.array([3600.0, 3700.0]))
    assert 3 < below / above < 7
    assert 1 / per_hbeta(np.array([4861.0]))[0] == pytest.approx(1150.0, rel=0.25)
