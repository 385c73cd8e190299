"""What an Informer hands to an Estimator: a bundle in one piece, and how sure to be of its p(z)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ojala.measures.redshift_pdf import RedshiftPdf
from ojala.measures.redshift_scores import nll
from ojala.model import bundle
from ojala.model.predictor import Predictor

LOG_TEMPERATURES = (-1.5, 1.5)
"""Natural logarithms of the temperatures that are tried."""

ENOUGH = 50
"""Redshifts that a temperature is taken from, at least."""


@dataclass(frozen=True, kw_only=True)
class Informed:
    """A model as RAIL keeps it in a file.

    files: of the bundle, by name; temperature: that p(z) is divided by in its logarithm
    """

    files: dict[str, bytes]
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"a temperature is {self.temperature}, expected one above 0")

    def predictor(self) -> Predictor:
        """What answers. Raises ValueError as ``bundle.load`` does."""
        with tempfile.TemporaryDirectory() as place:
            for name, content in self.files.items():
                (Path(place) / Path(name).name).write_bytes(content)
            return Predictor(bundle.load(place))


def of_bundle(directory: str | Path, temperature: float = 1.0) -> Informed:
    """A bundle as a model. Raises ValueError as ``bundle.load`` does."""
    bundle.load(directory)
    files = {
        path.name: path.read_bytes() for path in sorted(Path(directory).iterdir()) if path.is_file()
    }
    return Informed(files=files, temperature=temperature)


def tempered(pdf: RedshiftPdf, temperature: float) -> RedshiftPdf:
    """p(z) to the power 1 / temperature: the likeliest step stays, wider above 1."""
    if temperature == 1.0:
        return pdf
    density = pdf.probability.astype(np.float64) / pdf.widths
    with np.errstate(invalid="ignore", divide="ignore"):
        raised = (density / density.max(axis=1, keepdims=True)) ** (1 / temperature) * pdf.widths
        share = raised / raised.sum(axis=1, keepdims=True)
    return RedshiftPdf(edges=pdf.edges, probability=share)


def fitted_temperature(pdf: RedshiftPdf, z_true: NDArray[np.float64]) -> float:
    """The temperature at which redshifts that are known are likeliest.

    z_true: (num_sources,), NaN where not known
    Raises ValueError for fewer than ENOUGH sources with both p(z) and redshift.
    """
    rows = np.flatnonzero(pdf.known & np.isfinite(z_true))
    if len(rows) < ENOUGH:
        raise ValueError(
            f"{len(rows)} sources have both an answer and a redshift, expected {ENOUGH} or more to "
            "calibrate p(z) with (calibrate=False does without)"
        )
    some, true = pdf[rows], z_true[rows]
    found = minimize_scalar(
        lambda log_t: float(nll(tempered(some, float(np.exp(log_t))), true).mean()),
        bounds=LOG_TEMPERATURES,
        method="bounded",
    )
    return float(np.exp(found.x))
