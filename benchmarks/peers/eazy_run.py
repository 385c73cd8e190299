"""One run of eazy (Brammer et al. 2008) over fluxes and templates that are given as arrays."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

with contextlib.redirect_stdout(io.StringIO()):  # it says at import what else could be installed
    from eazy.photoz import PhotoZ

from ojala.physics.responses import Response
from ojala.physics.synphot import pivot_wave

Floats = NDArray[np.float64]

SYSTEMATIC, TEMPLATE_ERROR = 0.01, 0.01
"""Shares of the flux: of zero points, and of what a few templates cannot add up to."""

NOT_OBSERVED = -1e9


def fitted(
    flux: Floats,
    flux_err: Floats,
    redshifts: Floats,
    template_fluxes: Floats,
    log_prior: Floats,
    curves: Sequence[Response],
) -> Any:
    """Eazy's PhotoZ after a fit: ``lnp`` on the grid, ``trdz``, ``zbest``, ``coeffs_best``.

    flux, flux_err: microjansky, (num_sources, num_bands), NaN where missing
    redshifts: grid, even in ln(1 + z); template_fluxes: (num_redshifts, num_templates, num_bands)
    log_prior: (num_sources, num_redshifts); curves: of the bands
    """
    step = float(np.log((1 + redshifts[-1]) / (1 + redshifts[0])) / (len(redshifts) - 1))
    with (
        tempfile.TemporaryDirectory() as directory,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        files = _files(Path(directory), template_fluxes.shape[1], curves)
        run = PhotoZ(
            params=_settings(files, redshifts, step) | {"CATALOG_FILE": _catalogue(flux, flux_err)},
            translate_file=files["translate"],
            load_prior=False,
            n_proc=-1,
            tempfilt_data=template_fluxes.astype(np.float32),
            random_draws=1,
        )
        assert np.allclose(run.zgrid, redshifts, rtol=1e-4), "eazy fits on another grid"
        run.extra_lnp = log_prior
        run.fit_catalog(n_proc=0, get_best_fit=True, prior=False, verbose=False)
    return run


def _settings(files: dict[str, str], redshifts: Floats, step: float) -> dict[str, Any]:
    return {
        "FILTERS_RES": files["filters"],
        "TEMPLATES_FILE": files["templates"],
        "TEMP_ERR_FILE": files["error"],
        "TEMP_ERR_A2": TEMPLATE_ERROR,
        "SYS_ERR": SYSTEMATIC,
        "APPLY_IGM": "n",
        "MW_EBV": 0.0,
        "Z_MIN": float(redshifts[0]),
        "Z_MAX": float(np.expm1(np.log1p(redshifts[-1]) + step / 2)),
        "Z_STEP": step,
        "Z_STEP_TYPE": 1,
        "VERBOSITY": 0,
        "NOT_OBS_THRESHOLD": NOT_OBSERVED,
    }


def _files(directory: Path, num_templates: int, curves: Sequence[Response]) -> dict[str, str]:
    """The files that eazy reads, by what they hold."""
    wave = np.geomspace(500.0, 60_000.0, 200)
    flat = np.column_stack([wave, np.ones_like(wave)])
    # Templates' fluxes in the bands are given; eazy wants to have read spectra all the same.
    np.savetxt(directory / "flat", flat)
    listing = [f"{n} {directory / 'flat'} 1.0 0 1.0\n" for n in range(1, num_templates + 1)]
    texts = {
        "templates": "".join(listing),
        "filters": "".join(_passband(f"band{n}", curve) for n, curve in enumerate(curves, 1)),
        "translate": "",
    }
    for name, text in texts.items():
        (directory / name).write_text(text)
    return {name: str(directory / name) for name in texts} | {"error": str(directory / "flat")}


def _passband(name: str, curve: Response) -> str:
    """A passband as an entry of eazy's filter file."""
    points = zip(curve.wave, curve.throughput, strict=True)
    rows = [f"{n} {wave:.2f} {through:.6f}\n" for n, (wave, through) in enumerate(points, 1)]
    return f"{len(rows)} {name} lambda_c= {pivot_wave(curve):.1f}\n" + "".join(rows)


def _catalogue(flux: Floats, flux_err: Floats) -> Table:
    """Eazy's catalogue: F<n> and E<n> of the n-th filter."""
    columns = {"id": np.arange(len(flux))}
    for n, (values, errors) in enumerate(zip(flux.T, flux_err.T, strict=True), 1):
        columns |= {f"F{n}": values, f"E{n}": errors}
    return Table(columns)
