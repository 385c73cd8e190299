"""What p(z) is worth where the true redshift is known, source by source.

All in x = ln(1 + z), whose differences are dz / (1 + z) to first order. Labels carry their errors
into p(z) in training, so that none is added here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ojala.measures.redshift_pdf import Floats, RedshiftPdf
from ojala.tables.shards import Columns

LEAST_DENSITY = 1e-6
"""Per ln(1 + z), in place of zero: a single impossible source must not decide a mean."""

SCORES = ("pit", "crps", "cde_loss", "nll")
"""Scores of ``score_columns``, by the names that they have in metrics."""


def score_columns(redshifts: Mapping[str, RedshiftPdf], z_true: NDArray[np.floating]) -> Columns:
    """Columns <TOKEN>_PIT, _CRPS, _CDE_LOSS and _NLL, beside the answers that they are of.

    redshifts: of the same sources, by token; z_true: (num_sources,), NaN where it is not known
    """
    true = z_true.astype(np.float64)
    return {
        f"{token}_{name.upper()}": measure(pdf, true)
        for token, pdf in redshifts.items()
        for name, measure in zip(SCORES, (pit, crps, cde_loss, nll), strict=True)
    }


def pit(pdf: RedshiftPdf, z_true: Floats) -> Floats:
    """Probability below the true redshift, (N,): uniform on 0 ... 1 where p(z) is honest."""
    return pdf.cdf(z_true)


def crps(pdf: RedshiftPdf, z_true: Floats) -> Floats:
    """Continuous ranked probability score, the integral of (F(x) - [x > x_true])^2 dx, (N,).

    Gneiting & Raftery (2007), Eq. 20: the absolute error of an answer that is a distribution.
    """
    log_z, step = np.log1p(z_true), pdf.step_of(z_true)
    below, above = pdf.cumulative, 1 - pdf.cumulative
    left = _mean_square(below[:, :-1], below[:, 1:]) * pdf.widths
    right = _mean_square(above[:, :-1], above[:, 1:]) * pdf.widths
    number = np.arange(len(pdf.widths))
    whole = np.where(number < step[:, None], left, 0) + np.where(number > step[:, None], right, 0)
    at_true, rows = pdf.cdf(z_true), np.arange(len(pdf))
    first, last = pdf.edges[step], pdf.edges[step + 1]
    before = _mean_square(below[rows, step], at_true) * (np.clip(log_z, first, last) - first)
    after = _mean_square(1 - at_true, above[rows, step + 1]) * (last - np.clip(log_z, first, last))
    beyond = np.maximum(0, pdf.edges[0] - log_z) + np.maximum(0, log_z - pdf.edges[-1])
    return np.asarray(whole.sum(axis=1) + before + after + beyond)


def density_at(pdf: RedshiftPdf, z: Floats) -> Floats:
    """Probability per ln(1 + z) at each redshift, (N,); 0 beyond the edges."""
    log_z, step = np.log1p(z), pdf.step_of(z)
    density = pdf.probability[np.arange(len(pdf)), step] / pdf.widths[step]
    outside = (log_z < pdf.edges[0]) | (log_z > pdf.edges[-1])
    return np.where(np.isnan(log_z), np.nan, np.where(outside & pdf.known, 0.0, density))


def cde_loss(pdf: RedshiftPdf, z_true: Floats) -> Floats:
    """The integral of p(x)^2 dx less 2 p(x_true), (N,): its mean is least for the true p.

    Izbicki & Lee (2017), Eq. 7, up to a constant that no answer changes.
    """
    squared = np.sum(pdf.probability.astype(np.float64) ** 2 / pdf.widths, axis=1)
    return np.asarray(squared - 2 * density_at(pdf, z_true))


def nll(pdf: RedshiftPdf, z_true: Floats) -> Floats:
    """- ln of the density at the true redshift, nats, (N,); at most - ln LEAST_DENSITY."""
    return np.asarray(-np.log(np.maximum(density_at(pdf, z_true), LEAST_DENSITY)))


def _mean_square(first: Floats, last: Floats) -> Floats:
    """Mean square of what goes linearly from ``first`` to ``last``."""
    return np.asarray((first**2 + first * last + last**2) / 3)
