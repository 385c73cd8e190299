"""What a search says of a model after each epoch: the objective on the validation sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from ojala.evaluation.objective import QUERIES, ObjectiveConfig, objective, set_scores
from ojala.model.bundle import Bundle
from ojala.model.device import default_device, known_precision
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.scaling import Scaling
from ojala.tables.shards import Columns, columns_of, read_table


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Says of a model what the objective is, and what it is made of.

    sets: files of the validation sets by name
    """

    sets: dict[str, str]
    config: ObjectiveConfig
    precision: Literal["float32", "bfloat16", "auto"]

    def __call__(self, model: Ojala, scaling: Scaling) -> dict[str, float]:
        """The objective, its terms, and each set's own as "SET/TERM"."""
        wanted: Literal["float32", "auto"] = "float32" if self.precision == "float32" else "auto"
        precision = known_precision(wanted, default_device())
        predictor = Predictor(Bundle(model=model, scaling=scaling), precision=precision)
        found = {}
        for name, path in self.sets.items():
            truth = _truth(path)
            found[name] = set_scores(predictor.predict(truth, QUERIES), truth, self.config, name)
        each = {f"{name}/{term}": v for name, terms in found.items() for term, v in terms.items()}
        return objective(found, self.config) | each


@cache
def _truth(path: str) -> Columns:
    """A validation set, read once."""
    return columns_of(read_table(path))
