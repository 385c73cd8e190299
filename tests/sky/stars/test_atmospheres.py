"""Model atmospheres are read safely and interpolated smoothly."""

import io
import os
import pickle

import numpy as np
import pytest

from ojala.sky.stars import atmospheres, white_dwarfs


@pytest.mark.parametrize("thing", [os.system, eval, exec])
def test_pickles_of_anything_else_are_refused(thing):
    with pytest.raises(pickle.UnpicklingError, match="not part of an atmosphere"):
        atmospheres.AtmosphereUnpickler(io.BytesIO(pickle.dumps(thing))).load()


def test_a_module_reached_through_an_admitted_one_is_refused():
    sneaky = b"\x80\x04\x8c\x05numpy\x94\x8c\x09os.system\x94\x93\x94."
    with pytest.raises(pickle.UnpicklingError, match="not part of an atmosphere"):
        atmospheres.AtmosphereUnpickler(io.BytesIO(sneaky)).load()


def test_arrays_pass():
    array = np.arange(3.0)
    loaded = atmospheres.AtmosphereUnpickler(io.BytesIO(pickle.dumps(array))).load()
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize("name", ["coelho", "phoenix", "kurucz"])
def test_interpolation_is_exact_at_nodes_and_weights_add_up(name):
    grid = atmospheres.atmospheres(name)
    rng = np.random.default_rng(0)
    place = tuple(rng.integers(0, len(axis), 50) for axis in grid.axes)
    nodes = [axis[index] for axis, index in zip(grid.axes, place, strict=True)]
    weights = grid.weights(*nodes)
    np.testing.assert_allclose(weights @ grid.log_flux, grid.log_flux[grid.model[place]], atol=1e-5)
    between = [axis[0] + rng.random(50) * (axis[-1] - axis[0]) for axis in grid.axes]
    np.testing.assert_allclose(grid.weights(*between).sum(axis=1), 1.0)


def test_halfway_between_nodes_is_the_geometric_mean():
    grid = atmospheres.atmospheres("coelho")
    teff, same = np.array([5000.0, 5125.0, 5250.0]), np.ones(3)
    log_flux = grid.weights(teff, 4.0 * same, -0.5 * same, 0 * same) @ grid.log_flux
    np.testing.assert_allclose(log_flux[1], log_flux[[0, 2]].mean(axis=0), atol=1e-5)


def test_flux_is_that_of_the_effective_temperature():
    teff = np.array([3000.0, 4000.0, 4300.0, 5000.0, 5800.0, 6500.0])  # most light on WAVE
    same = np.ones(len(teff))
    for feh in (-1.5, -1.0, -0.5, 0.0, 0.3):
        log_flux = atmospheres.surface_flux(teff, 4.5 * same, feh * same, 0.2 * same)
        light = np.trapezoid(10**log_flux / atmospheres.WAVE, atmospheres.WAVE, axis=1)
        np.testing.assert_allclose(light / (5.67e-5 * teff**4), 0.97, atol=0.05)


def test_grids_share_every_star():
    rng = np.random.default_rng(1)
    shares = atmospheres.shares(rng.uniform(2300, 50_000, 500), rng.uniform(-4, 0.5, 500))
    np.testing.assert_allclose(sum(shares.values()), 1.0)
    assert all(np.all((share > -1e-12) & (share < 1 + 1e-12)) for share in shares.values())


def test_spectra_change_smoothly_where_grids_meet():
    for low, high, feh in ((3900.0, 4600.0, -0.3), (9000.0, 12_000.0, -1.5)):
        teff = np.linspace(low, high, 60)
        same = np.ones(60)
        log_flux = atmospheres.surface_flux(teff, 4.5 * same, feh * same, 0.2 * same)
        optical = (atmospheres.WAVE > 3800) & (atmospheres.WAVE < 9500)
        steps = np.abs(np.diff(log_flux[:, optical], axis=0))
        assert np.percentile(steps, 99) < 0.03


def test_magnesium_is_stronger_where_alpha_elements_abound():
    same, wave = np.ones(2), atmospheres.WAVE
    lines = (wave > 5150) & (wave < 5200)
    beside = ((wave > 5060) & (wave < 5110)) | ((wave > 5290) & (wave < 5350))
    for teff, feh in ((5000.0, -0.5), (4500.0, -1.6), (4200.0, -1.0)):
        log_flux = atmospheres.surface_flux(teff * same, 4.5 * same, feh * same, np.array([0, 0.4]))
        depth = log_flux[:, beside].mean(axis=1) - log_flux[:, lines].mean(axis=1)
        assert depth[1] > depth[0]


def test_salaris_metallicity():
    np.testing.assert_allclose(atmospheres.salaris(np.array([0.0])), 0.0, atol=1e-12)
    np.testing.assert_allclose(atmospheres.salaris(np.array([0.4])), 0.29, atol=0.01)


def test_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("OJALA_CACHE", raising=False)
    assert atmospheres.cache_directory() == tmp_path / "xdg" / "ojala"
    monkeypatch.setenv("OJALA_CACHE", str(tmp_path / "here"))
    assert atmospheres.cache_directory() == tmp_path / "here"


@pytest.fixture
def condensations(monkeypatch):
    """A tiny package file, and how often it was condensed."""
    names = []

    def condense(name):
        names.append(name)
        nodes = np.array([(t, g, 0.0, 0.0) for t in (4000.0, 5000.0) for g in (4.0, 5.0)])
        return nodes, np.tile(np.arange(4, dtype=np.int16)[:, None], (1, len(atmospheres.WAVE)))

    monkeypatch.setattr(atmospheres, "_condense", condense)
    return names


def test_a_grid_is_condensed_once(tmp_path, monkeypatch, condensations):
    monkeypatch.setenv("OJALA_CACHE", str(tmp_path / "cache"))
    first, second = (atmospheres.atmospheres.__wrapped__("coelho") for _ in range(2))
    assert condensations == ["coelho"]
    np.testing.assert_array_equal(first.log_flux, second.log_flux)
    np.testing.assert_array_equal(first.model, second.model)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]


def test_nowhere_to_keep_a_grid_is_no_error(tmp_path, monkeypatch, condensations):
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("OJALA_CACHE", str(tmp_path / "file" / "cache"))
    assert atmospheres.atmospheres.__wrapped__("coelho").log_flux.shape[0] == 4


def test_hydrogen_lines_of_white_dwarfs_are_broad_and_strongest_near_13000_k():
    teff = np.array([7000.0, 13_000.0, 40_000.0])
    hydrogen = white_dwarfs.surface_flux(teff, np.full(3, 8.0), np.zeros(3, dtype=bool))
    helium = white_dwarfs.surface_flux(teff, np.full(3, 8.0), np.ones(3, dtype=bool))
    centre = np.searchsorted(atmospheres.WAVE, 4862.7)
    beside = np.searchsorted(atmospheres.WAVE, 5200.0)
    depth = (hydrogen[:, beside] - hydrogen[:, centre]) - (helium[:, beside] - helium[:, centre])
    assert depth[1] > depth[0] and depth[1] > depth[2]
