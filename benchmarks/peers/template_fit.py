"""Template fitting with eazy: non-negative sums of the sky's own sources on a redshift grid.

The strongest form of this peer: templates of the very sky that is observed, its own passbands, a
prior p(z | i) from the training table, and stellar mass and star-formation rate from the same sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.peers import answers, densities, eazy_run, features, sky_templates
from benchmarks.peers.fluxes import TOKENS, microjanskys
from ojala.physics.responses import packaged
from ojala.tables.shards import Columns

HIGHEST = {"Z_GAL": 1.8, "Z_QSO": 5.2}
STEPS_PER_REDSHIFT = 15
"""Steps of the grid, 0.003 in ln(1 + z): an eighth of a narrow band."""

NUM_TEMPLATES = {"Z_GAL": 32, "Z_QSO": 24}
BLOCK = 500
"""Sources fitted at once: eazy keeps the sums of every source at every redshift."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """The templates of one class in the bands, and its prior.

    redshifts: (num_redshifts,); fluxes: microjansky, (num_redshifts, num_templates, num_bands)
    log_prior: of ``densities.log_prior``
    """

    redshifts: features.Floats
    fluxes: features.Floats
    log_prior: features.Floats


@dataclass
class TemplateFit:
    """Redshift, mass and rate of sources as galaxies, and redshift as quasars."""

    name: str = "eazy"
    given: tuple[str, ...] = ()
    libraries: dict[str, Library] = field(default_factory=dict)
    specific_rate: Any = None

    def fit(self, train: Columns) -> None:
        """Make the templates' fluxes in the bands; take the priors from the training table."""
        galaxies = sky_templates.galaxy_templates(NUM_TEMPLATES["Z_GAL"], HIGHEST["Z_GAL"])
        quasars = sky_templates.quasar_templates(NUM_TEMPLATES["Z_QSO"])
        self.specific_rate = galaxies.specific_rate
        for token, fluxes, templates in (
            ("Z_GAL", sky_templates.galaxy_fluxes, galaxies),
            ("Z_QSO", sky_templates.quasar_fluxes, quasars),
        ):
            grid = sky_templates.redshift_grid(HIGHEST[token], STEPS_PER_REDSHIFT)
            known = np.isfinite(train[token])
            self.libraries[token] = Library(
                redshifts=grid,
                fluxes=fluxes(templates, grid, packaged(), TOKENS),
                log_prior=densities.log_prior(train[token][known], train["MAG_i"][known], grid),
            )

    def predict(self, sources: Columns) -> Columns:
        """Redshift of the largest p(z), half of its 68 % range, and the sums there."""
        num_sources = len(sources["MAG_i"])
        columns = answers.unanswered(num_sources)
        for start in range(0, num_sources, BLOCK):
            rows = slice(start, start + BLOCK)
            block = {name: values[rows] for name, values in sources.items()}
            for name, values in self._answers(block).items():
                columns[name][rows] = values
        return columns

    def _answers(self, sources: Columns) -> Columns:
        flux, flux_err = microjanskys(sources)
        curves = [packaged()[token] for token in TOKENS]
        columns: Columns = {}
        for token, library in self.libraries.items():
            prior = library.log_prior[densities.magnitude_bin(sources["MAG_i"])]
            run = eazy_run.fitted(flux, flux_err, library.redshifts, library.fluxes, prior, curves)
            columns |= _redshift(token, run, library.redshifts)
            if token == "Z_GAL":
                columns |= self._contents(run.coeffs_best.astype(np.float64))
        return columns

    def _contents(self, sums: features.Floats) -> Columns:
        """Stellar mass and star-formation rate of sums of templates, NaN where a sum is empty."""
        mass = sky_templates.UNIT_MASS * sums
        logs = {"LOGM": mass.sum(axis=1), "LOGSFR": mass @ self.specific_rate}
        return {token: np.log10(np.where(v > 0, v, np.nan)) for token, v in logs.items()}


def _redshift(token: str, run: Any, grid: features.Floats) -> Columns:
    """Where p(z) is largest, and its width."""
    at_peak = grid[run.lnp.argmax(axis=1)]
    density = np.exp(run.lnp - run.lnp.max(axis=1, keepdims=True))
    value = np.where(run.zbest > 0, run.zbest, at_peak)
    return {token: value, f"{token}_ERR": densities.half_width(density, grid)}
