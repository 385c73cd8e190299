"""Recalibration: probabilities and intervals that hold what they state, by held-out sources.

Class probabilities are made honest (``measures.temperature``). Then, by split conformal prediction
(``measures.conformal``) on the same sources, none of which the network was trained on:

- the class set holds the most probable class and each whose probability is above a limit, such that
  a source of any class and magnitude has its own in the set with the stated probability;
- the redshift set is the 90 % interval of p(z), stretched about its median by such a factor, and
  never made narrower: held-out mocks are easier than the sky.

Limits and factors are those of a class and a range of the reference magnitude. They hold for
sources like those that they were measured on; for others as far as they are alike.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.measures import conformal, temperature
from ojala.model.predictor import Predictor
from ojala.model.shown import Shown
from ojala.tables.shards import Columns, codes_given
from ojala.tables.writing import written_whole
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import CLASSES, vocabulary

COVERAGE = 0.9
"""Share of the sources that have what is true in their sets; columns are named by it."""

CLASS_SET = "CLASS_SET90"
LOW, HIGH = "_SET90_LOW", "_SET90_HIGH"

EDGES = (19.0, 20.0, 21.0, 22.0)
"""Magnitudes between the ranges that have limits of their own."""

REDSHIFT_OF = {"GALAXY": "Z_GAL", "QSO": "Z_QSO"}

Limits = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """What held-out sources say of a bundle's probabilities and intervals.

    classes: how probabilities are made honest
    doubt: by class, of each range of magnitude: 1 - P of a class that is still in the set
    stretch: by redshift, of each range of magnitude: factor of the 90 % interval; infinite ones
        are not known
    num_sources: that it was measured on; bundle: digest of the bundle that answered about them
    """

    classes: temperature.Tempering
    doubt: dict[str, Limits]
    stretch: dict[str, Limits]
    num_sources: int
    bundle: str

    def __post_init__(self) -> None:
        for names, given in ((CLASSES, self.doubt), (REDSHIFT_OF.values(), self.stretch)):
            if set(given) != set(names):
                raise ValueError(f"limits of {sorted(given)}, expected {sorted(names)}")
            for name, limits in given.items():
                if len(limits) != len(EDGES) + 1 or not all(limit >= 0 for limit in limits):
                    raise ValueError(
                        f"{name}: limits {limits}, expected {len(EDGES) + 1}, none < 0"
                    )

    def check(self, digest: str) -> None:
        """Raise ValueError where it was measured on another bundle."""
        if digest != self.bundle:
            raise ValueError(
                f"the recalibration is that of bundle {self.bundle[:12]}, and this is "
                f"{digest[:12]}: ojala recalibrate makes one of its own"
            )

    def digest(self) -> str:
        """SHA-256 of what it changes."""
        said = [asdict(self.classes), self.doubt, self.stretch]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def said(self) -> str:
        """What a header says of it."""
        changed = f"temperature {self.classes.temperature:.3g}"
        if self.classes.offsets:
            changed += ", offsets " + ", ".join(f"{offset:.3g}" for offset in self.classes.offsets)
        classes = "left as they are" if self.classes == temperature.Tempering() else changed
        return f"{self.num_sources} held-out sources; class probabilities: {classes}"

    def of(self, answers: Columns, magnitude: NDArray[Any]) -> Columns:
        """Answers with honest probabilities, and with the sets of what was asked.

        answers: of ``Predictor.predict``; magnitude: of the reference band, (num_sources,)
        """
        group = _ranges(magnitude)
        columns = dict(answers)
        if "CLASS" in answers:
            columns |= self._of_classes(answers, group)
        for token, factors in self.stretch.items():
            if token in answers:
                ends = conformal.stretched(
                    *_interval(answers, token), factor=np.array(factors)[group]
                )
                for suffix, end in zip((LOW, HIGH), ends, strict=True):
                    known = np.where(np.isfinite(end), end, np.nan)
                    columns[f"{token}{suffix}"] = known.astype(np.float32)
        return columns

    def _of_classes(self, answers: Columns, group: NDArray[np.intp]) -> Columns:
        stated = np.stack([answers[f"P_{name}"] for name in CLASSES], axis=1)
        known = np.isfinite(stated).all(axis=1)
        probability = self.classes.of(stated)
        first = np.where(known, probability.argmax(axis=1), 0)
        limits = np.stack([np.array(self.doubt[name])[group] for name in CLASSES], axis=1)
        with np.errstate(invalid="ignore"):
            inside = 1 - probability.astype(np.float64) <= limits
        inside[np.arange(len(first)), first] = True
        sets = [
            " ".join(name for name, held in zip(CLASSES, row, strict=True) if held)
            for row in inside
        ]
        named = np.array(CLASSES, dtype=object)[first]
        columns = {f"P_{name}": probability[:, code] for code, name in enumerate(CLASSES)}
        columns["CLASS"] = np.where(known, named, "")
        columns[CLASS_SET] = np.where(known, np.array(sets, dtype=object), "")
        return columns


def by_sources(predictor: Predictor, light: Columns, truth: Columns) -> Recalibration:
    """The recalibration of a predictor's bundle by held-out sources.

    light: what is observed of them, by token; truth: SPECTYPE (names or codes) and z of each
    Raises ValueError as ``Predictor.shown`` does, and where class or redshift are not there.
    """
    for name in ("SPECTYPE", "z"):
        if name not in truth:
            raise ValueError(f"there is no column {name}, which tells what is true of a source")
    shown = predictor.shown(light)
    answers = predictor.predict(shown, ("SPECTYPE", *REDSHIFT_OF.values()))
    known = {
        "SPECTYPE": codes_given(truth["SPECTYPE"], "SPECTYPE"),
        "z": np.asarray(truth["z"], dtype=np.float64),
        reference_band().token: magnitudes(predictor, shown),
    }
    return measured(answers, known, predictor.bundle.digest)


def measured(answers: Columns, truth: Columns, bundle: str) -> Recalibration:
    """The recalibration by held-out sources.

    answers: of ``Predictor.predict``; truth: SPECTYPE (codes), z and the reference magnitude of
    the same sources; sources without an answer or a class are left out. bundle: digest
    """
    stated = np.stack([answers[f"P_{name}"] for name in CLASSES], axis=1)
    code = np.nan_to_num(truth["SPECTYPE"].astype(np.float64), nan=-1).astype(np.intp)
    used = np.isfinite(stated).all(axis=1) & (code >= 0)
    code, group = code[used], _ranges(truth[reference_band().token][used])
    classes = temperature.best(stated[used], code)
    doubts = 1 - classes.of(stated[used]).astype(np.float64)
    doubt, stretch = {}, {}
    for number, name in enumerate(CLASSES):
        of_class = code == number
        doubt[name] = _limits(doubts[of_class, number], group[of_class])
        if name in REDSHIFT_OF:
            token, z = REDSHIFT_OF[name], truth["z"][used][of_class].astype(np.float64)
            ends = (end[used][of_class] for end in _interval(answers, token))
            far = conformal.beyond(z, *ends)
            known = np.isfinite(far)
            found = np.array(_limits(far[known], group[of_class][known]))
            anywhere = conformal.limit(far[known], COVERAGE)
            found = np.where(np.isfinite(found), found, anywhere)
            stretch[token] = tuple(np.maximum(found, 1.0).tolist())
    return Recalibration(
        classes=classes,
        doubt=doubt,
        stretch=stretch,
        num_sources=int(used.sum()),
        bundle=bundle,
    )


def magnitudes(predictor: Predictor, shown: Shown) -> NDArray[np.float64]:
    """Reference magnitudes of sources as they are shown, (num_sources,), NaN where unknown."""
    token = reference_band().token
    scaled = shown.values[:, vocabulary().index(token)].astype(np.float64)
    return np.asarray(
        predictor.bundle.scaling.unscale(token, scaled, np.zeros_like(scaled))[0], dtype=np.float64
    )


def _limits(scores: NDArray[Any], group: NDArray[np.intp]) -> Limits:
    return tuple(conformal.limits(scores, group, len(EDGES) + 1, COVERAGE).tolist())


def _ranges(magnitude: NDArray[Any]) -> NDArray[np.intp]:
    """Numbers of the ranges that magnitudes lie in, (num_sources,)."""
    return np.searchsorted(EDGES, magnitude, side="right")


def _interval(answers: Columns, token: str) -> tuple[conformal.Floats, ...]:
    """Lower end, middle and upper end of the 90 % interval of p(z), each (num_sources,)."""
    names = (f"{token}_LOW90", f"{token}_MEDIAN", f"{token}_HIGH90")
    return tuple(answers[name].astype(np.float64) for name in names)


def write(recalibration: Recalibration, path: Path) -> None:
    """Write a recalibration as JSON, whole or not at all; null is a limit that is not known."""
    told = asdict(recalibration)
    for name in ("doubt", "stretch"):
        told[name] = {key: [_known(one) for one in of] for key, of in told[name].items()}
    with written_whole(path) as partial:
        partial.write_text(json.dumps(told, indent=2, allow_nan=False) + "\n")


def _known(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None


def read(path: Path) -> Recalibration:
    """Open a recalibration. Raises ValueError naming the file where it is none."""
    try:
        told = json.loads(path.read_bytes())
        for name in ("doubt", "stretch"):
            told[name] = {
                key: tuple(math.inf if one is None else float(one) for one in of)
                for key, of in told[name].items()
            }
        classes = told.pop("classes")
        offsets = tuple(map(float, classes["offsets"]))
        recipe = temperature.Tempering(temperature=float(classes["temperature"]), offsets=offsets)
        return Recalibration(classes=recipe, **told)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: not a recalibration ({error})") from None
