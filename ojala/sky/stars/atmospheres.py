"""Spectra at the surface of stars, interpolated in the model atmospheres that SEDFit's wheel holds.

Coelho (2014; 10 Angstrom at 5000) where it reaches; PHOENIX (Husser et al. 2013; 35 Angstrom) for
cool and for metal-poor stars; Castelli & Kurucz (2003; 20 Angstrom) for hot ones. The first two
vary [alpha/Fe]; for the third a mixture rich in alpha elements counts as solar-scaled with more
metals (Salaris et al. 1993). SEDFit's BT-Settl is left out: its blue flux disagrees with the other
three by 0.3 mag at 6500 K.
"""

from __future__ import annotations

import bz2
import os
import pickle
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution, version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from ojala.tables.writing import written_whole

Array = NDArray[np.float64]

LAYOUT = 2
"""Version of the condensed files."""

COOL, WARM, HOT = (4000.0, 4500.0), (9500.0, 11_500.0), (21_000.0, 25_000.0)
"""K: PHOENIX gives way to Coelho; metal-poor PHOENIX to Kurucz; Coelho to Kurucz."""

POOR = (-1.2, -0.9)
"""[Fe/H] over which PHOENIX or Kurucz give way to Coelho."""

NEAREST = np.array([50.0, 1.0, 4.0, 4.0])
"""What ln Teff, log g, [Fe/H], [alpha/Fe] count for when a hole of a grid is filled."""

BEYOND = (0.0, 0.0, 0.3, 0.2)
"""How far (dex) outside a grid [Fe/H] and [alpha/Fe] may be extrapolated."""

MILLIDEX = 1000
"""The packages' spectra are rounded to 0.001 dex; the condensed ones are integers of that."""

ADMITTED = ("numpy", "astropy", "collections")
"""Packages whose classes a pickle of atmospheres may name."""


def _wave() -> Array:
    """Angstrom: 580 km/s (10 Angstrom at 5000) to 1.1 um, five times that to 6 um."""
    optical = np.exp(np.arange(np.log(2400.0), np.log(11_000.0), 1.93e-3))
    infrared = np.exp(np.arange(np.log(11_000.0), np.log(61_500.0), 9.65e-3))
    return np.concatenate([optical, infrared])


WAVE = _wave()
"""Wavelengths of all atmospheres, Angstrom."""


class AtmosphereUnpickler(pickle.Unpickler):
    """Reads arrays and tables, and nothing that could run code of another kind."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of that name; raises UnpicklingError unless its package is ADMITTED."""
        if module.split(".")[0] not in ADMITTED or "." in name:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an atmosphere file")
        return super().find_class(module, name)


@dataclass(frozen=True)
class Grid:
    """One set of model atmospheres.

    log_flux: log10 of lambda F_lambda at the surface (erg/s/cm2), (num_models, len(WAVE))
    axes: Teff (K), log g, [Fe/H], [alpha/Fe] of the nodes, each increasing
    model: row of log_flux at each node, the nearest one where the grid has a hole
    """

    log_flux: NDArray[np.float32]
    axes: tuple[Array, ...]
    model: NDArray[np.intp]

    def weights(self, teff: Array, logg: Array, feh: Array, alphafe: Array) -> csr_matrix:
        """Linear weights of the models, (num_stars, num_models); metallicity may extrapolate."""
        num_stars = len(teff)
        values = (teff, logg, feh, alphafe)
        corners = [_bracket(*part) for part in zip(self.axes, values, BEYOND, strict=True)]
        rows, columns, shares = [], [], []
        for corner in product((0, 1), repeat=len(self.axes)):
            place = tuple(nodes[side] for side, (nodes, _) in zip(corner, corners, strict=True))
            share = np.prod(
                [part[side] for side, (_, part) in zip(corner, corners, strict=True)], axis=0
            )
            rows.append(np.arange(num_stars))
            columns.append(self.model[place])
            shares.append(share)
        entries = (np.concatenate(shares), (np.concatenate(rows), np.concatenate(columns)))
        return csr_matrix(entries, shape=(num_stars, len(self.log_flux)))


def _bracket(axis: Array, value: Array, beyond: float) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Nodes on either side of ``value`` and their shares; at most ``beyond`` outside the axis."""
    if len(axis) == 1:
        zero = np.zeros(len(value), dtype=np.intp)
        return (zero, zero), (np.ones(len(value)), np.zeros(len(value)))
    value = np.clip(value, axis[0] - beyond, axis[-1] + beyond)
    low = np.clip(np.searchsorted(axis, value, side="right") - 1, 0, len(axis) - 2)
    share = (value - axis[low]) / (axis[low + 1] - axis[low])
    return (low, low + 1), (1 - share, share)


def surface_flux(teff: Array, logg: Array, feh: Array, alphafe: Array) -> NDArray[np.float32]:
    """log10 of lambda F_lambda at the surface (erg/s/cm2) on WAVE, (num_stars, len(WAVE)).

    teff: K; logg: log10 of cm/s2; feh, alphafe: dex; each (num_stars,)
    """
    total = np.zeros((len(teff), len(WAVE)), dtype=np.float32)
    for name, share in shares(teff, feh).items():
        used = np.flatnonzero(share > 0)
        if len(used) > 0:
            grid = atmospheres(name)
            metals = feh + salaris(alphafe) if name == "kurucz" else feh
            columns = (column[used] for column in (teff, logg, metals, alphafe))
            weights = diags(share[used]) @ grid.weights(*columns)
            total[used] += weights.astype(np.float32) @ grid.log_flux
    return total


def shares(teff: Array, feh: Array) -> dict[str, Array]:
    """How much of each grid a star takes; they add up to one.

    teff (K), feh (dex), and each share: (num_stars,)
    """
    cool = 1 - _ramp(teff, *COOL)
    hot = _ramp(teff, *HOT)
    rich = (1 - cool) * (1 - hot) * _ramp(feh, *POOR)
    phoenix = cool + (1 - cool) * (1 - hot) * (1 - _ramp(feh, *POOR)) * (1 - _ramp(teff, *WARM))
    return {"coelho": rich, "phoenix": phoenix, "kurucz": 1 - rich - phoenix}


def salaris(alphafe: Array) -> Array:
    """[M/H] - [Fe/H] = log10(0.638 x 10^[alpha/Fe] + 0.362) (Salaris et al. 1993).

    alphafe, and the answer: any shape, dex
    """
    return np.asarray(np.log10(0.638 * 10**alphafe + 0.362))


def _ramp(value: Array, start: float, end: float) -> Array:
    share = np.clip((value - start) / (end - start), 0, 1)
    return np.asarray(share**2 * (3 - 2 * share))


@cache
def atmospheres(name: str) -> Grid:
    """A grid by name: "coelho", "phoenix" or "kurucz".

    The package's file is condensed once into ``cache_directory()``.
    """
    path = cache_directory() / f"{name}-{version('SEDFit')}-{LAYOUT}.npz"
    if path.exists():
        with np.load(path) as stored:
            return _grid(stored["parameters"], stored["log_flux"])
    parameters, log_flux = _condense(name)
    # Where nothing can be kept, the next process condenses again: seconds, not an error.
    with suppress(OSError), written_whole(path) as partial:
        np.savez(partial, parameters=parameters, log_flux=log_flux)
    return _grid(parameters, log_flux)


def cache_directory() -> Path:
    """Where condensed grids are kept: $OJALA_CACHE, $XDG_CACHE_HOME/ojala or ~/.cache/ojala."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ojala"
    return Path(os.environ.get("OJALA_CACHE") or default)


def _condense(name: str) -> tuple[Array, NDArray[np.int16]]:
    """Parameters (num_models, 4) and spectra on WAVE in millidex, from the package's file."""
    path = distribution("SEDFit").locate_file(f"SEDFit/sed_{name}.p")
    with bz2.open(str(path)) as file:
        log_flux, table, wave = AtmosphereUnpickler(file).load()
    parameters = np.array([table[key] for key in ("teff", "logg", "feh", "alpha")], dtype=float).T
    used = np.flatnonzero(_used(name, parameters))
    parameters, log_flux = parameters[used], log_flux[used]
    log_wave = np.log(np.asarray(wave.value, dtype=float))
    spectra = np.array([np.interp(np.log(WAVE), log_wave, row) for row in log_flux])
    return parameters, np.rint(MILLIDEX * np.clip(spectra, -30, 30)).astype(np.int16)


def _used(name: str, parameters: Array) -> NDArray[np.bool_]:
    """Models to keep: no [Fe/H] that lacks one of the [alpha/Fe], no PHOENIX where others serve."""
    teff, _, feh, alphafe = parameters.T
    if name == "coelho":
        return np.asarray(np.isin(feh, (-1.0, -0.5, 0.0, 0.2)))
    if name == "phoenix":
        served = ((teff > COOL[1] + 100) & (feh > -0.9)) | (teff > WARM[1] + 100)
        return np.asarray(~served & np.isin(alphafe, (0.0, 0.2, 0.4)) & (feh < 0.6))
    return np.ones(len(teff), dtype=bool)


def _grid(parameters: Array, millidex: NDArray[np.int16]) -> Grid:
    axes = tuple(np.unique(column) for column in parameters.T)
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    shape = nodes.shape[:-1]
    nearest = cKDTree(_scaled(parameters)).query(_scaled(nodes.reshape(-1, 4)))[1]
    log_flux = (millidex / MILLIDEX).astype(np.float32)
    return Grid(log_flux, axes, nearest.reshape(shape))


def _scaled(parameters: Array) -> Array:
    scaled = parameters.copy()
    scaled[:, 0] = np.log(scaled[:, 0])
    return np.asarray(scaled * NEAREST)
