"""Whether an engine gives the answers of torch in float32 about golden sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.model.predictor import Predictor
from ojala.model.shown import Shown
from ojala.vocabulary.bands import broad_bands, narrow_bands, reference_band
from ojala.vocabulary.quantities import (
    CLASSES,
    MORPHTYPES,
    REDSHIFTS,
    observations,
    queries,
    vocabulary,
)

TOLERANCE = {"float32": 1e-2, "bfloat16": 0.1}
"""Of a stated error and, as a probability that moved elsewhere, of p(z) and of classes."""

NUM_LIKE = 4
"""Golden sources of each context."""


def golden_sources() -> NDArray[np.float32]:
    """Scaled values of sources that every engine is asked about, NaN where not observed, (N, 76).

    All observations, narrow bands, broad bands, a random half and one band: contexts of few sizes.
    """
    rng = np.random.default_rng(13)
    tokens = np.array(vocabulary())
    narrow = [band.token for band in narrow_bands()]
    broad = [band.token for band in broad_bands()]
    seen = observations()
    values = []
    for context in (
        seen,
        [*narrow, reference_band().token],
        broad,
        seen[::2],
        [reference_band().token],
    ):
        # Bands of one source rise and fall together.
        drawn = rng.normal(size=(NUM_LIKE, 1)) + 0.5 * rng.normal(size=(NUM_LIKE, len(tokens)))
        drawn[:, tokens == "MORPHTYPE"] = rng.integers(0, len(MORPHTYPES), (NUM_LIKE, 1))
        drawn[:, ~np.isin(tokens, context)] = np.nan
        values.append(drawn)
    return np.concatenate(values).astype(np.float32)


def as_shown(values: NDArray[np.float32]) -> Shown:
    """Scaled values, (num_sources, 76), as what a Predictor is shown of a catalogue."""
    reason = np.full(len(values), "", dtype=object)
    return Shown(values=values, reason=reason, used=frozenset(observations()), remarks=())


def check_agreement(made: Predictor, plain: Predictor) -> None:
    """Raise ValueError where answers are not those of ``plain``, torch in float32."""
    tolerance = TOLERANCE[made.precision]
    for name, moved in distances(made, plain).items():
        if not moved <= tolerance:
            raise ValueError(
                f"{name} of a golden source moves by {moved:.2g} of its error, "
                f"expected {tolerance:g} at most"
            )


def distances(made: Predictor, plain: Predictor) -> dict[str, float]:
    """How far the answers about golden sources lie from one another at most, by quantity.

    In stated errors; of redshifts, classes and types the probability that moved.
    """
    shown = as_shown(golden_sources())
    asked = [token for token in queries() if token not in REDSHIFTS]
    one, other = (each.predict(shown, asked) for each in (made, plain))
    found = {
        token: _most(np.abs(one[token] - other[token]) / other[f"{token}_ERR"])
        for token in asked
        if token in other and f"{token}_ERR" in other
    }
    for name, categories in (("SPECTYPE", CLASSES), ("MORPHTYPE", MORPHTYPES)):
        if all(f"P_{category}" in other for category in categories):
            parts = [one[f"P_{category}"] - other[f"P_{category}"] for category in categories]
            found[name] = _most(0.5 * np.abs(parts).sum(axis=0))
    redshifts = made.redshifts(shown), plain.redshifts(shown)
    for token in REDSHIFTS:
        steps, expected = (pdf[token].probability for pdf in redshifts)
        found[token] = _most(0.5 * np.abs(steps - expected).sum(axis=1))
    return found


def _most(values: NDArray[Any]) -> float:
    """The largest, NaN where one is."""
    return float(np.max(values))
