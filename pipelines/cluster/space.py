"""The space that a search looks through: ranges of the parameters of the section ``train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ojala.evaluation.objective import ObjectiveConfig
from ojala.training.config import TrainConfig

Point = Mapping[str, Any]
"""Values by the parameter's place in the section, "masking.num_targets" say."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Where a parameter is looked for: low ... high, both included, evenly or evenly in its log."""

    low: float
    high: float
    log: bool

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"tune.space: {self.low} ... {self.high} is not a rising range"
                + (" of positive values" if self.log else "")
            )


@dataclass(frozen=True, kw_only=True)
class MaskingSpace:
    """Ranges of ``train.masking``; null: as it stands there. max_token_weight is the cap."""

    num_targets: Range | None
    min_context: Range | None
    keep_min_frac: Range | None
    keep_max_frac: Range | None
    max_token_weight: Range | None
    label_weight: Range | None


@dataclass(frozen=True, kw_only=True)
class AdaptationSpace:
    """Ranges of ``train.adaptation``; null: as it stands there. mmd_weight is lambda_MMD."""

    mmd_weight: Range | None
    entropy_weight: Range | None
    ess_weight: Range | None
    ess_floor: Range | None


@dataclass(frozen=True, kw_only=True)
class SpaceConfig:
    """Ranges of the section ``train``; null: as it stands there."""

    learning_rate: Range | None
    weight_decay: Range | None
    masking: MaskingSpace | None
    adaptation: AdaptationSpace | None

    def ranges(self) -> dict[str, Range]:
        """The ranges that are searched, by the parameter's place in the section."""
        flat: dict[str, Range] = {}
        for name, entry in vars(self).items():
            inner = {name: entry} if isinstance(entry, Range) else _named(name, entry)
            flat |= {key: found for key, found in inner.items() if found is not None}
        return flat


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The section ``tune`` of a parameter file.

    num_trials: trainings that are begun
    num_epochs, steps_per_epoch: of a training that is not stopped, over which its learning rate
        falls to 0; it is scored after each epoch
    grace_epochs: before which none is stopped
    reduction_factor: ASHA lets the best 1 / reduction_factor go on, at grace_epochs times each
        of its powers
    seed: of the choice of points
    objective: what is minimised; space: where
    """

    num_trials: int
    num_epochs: int
    steps_per_epoch: int
    grace_epochs: int
    reduction_factor: int
    seed: int
    objective: ObjectiveConfig
    space: SpaceConfig

    def __post_init__(self) -> None:
        for name in ("num_trials", "steps_per_epoch"):
            if getattr(self, name) < 1:
                raise ValueError(f"tune.{name} is {getattr(self, name)}, expected 1 or more")
        if not 1 <= self.grace_epochs <= self.num_epochs:
            raise ValueError(
                f"tune: expected 1 <= grace_epochs <= num_epochs, not {self.grace_epochs} "
                f"and {self.num_epochs}"
            )
        if self.reduction_factor < 2:
            raise ValueError(
                f"tune.reduction_factor is {self.reduction_factor}, expected 2 or more"
            )
        if not self.space.ranges():
            raise ValueError("tune.space has no range: there is nothing to search")


def settled(base: TrainConfig, point: Point) -> TrainConfig:
    """The section ``train`` with the values of a point in it."""
    inner: dict[str, dict[str, Any]] = {}
    changes: dict[str, Any] = {}
    for key, value in rounded(point).items():
        group, _, name = key.rpartition(".")
        if group:
            inner.setdefault(group, {})[name] = value
        else:
            changes[name] = value
    for group, values in inner.items():
        changes[group] = replace(getattr(base, group), **values)
    return replace(base, **changes)


def standing(base: TrainConfig, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The point that the section is as it stands, whether the ranges hold it or not.

    Raises ValueError for a range of the adaptation where there is none.
    """
    flat = dict(vars(base)) | _named("masking", base.masking)
    if base.adaptation is not None:
        flat |= _named("adaptation", base.adaptation)
    for key in ranges:
        if key not in flat:
            raise ValueError(f"tune.space.{key} is searched, but train.adaptation is null")
    return {key: flat[key] for key in ranges}


def holds(ranges: Mapping[str, Range], point: Point) -> bool:
    """Whether a point lies within the ranges."""
    return all(ranges[key].low <= value <= ranges[key].high for key, value in point.items())


def check(base: TrainConfig, ranges: Mapping[str, Range]) -> None:
    """Raise ValueError unless every point of the space is a section ``train``."""
    whole = {key for key, value in standing(base, ranges).items() if type(value) is int}
    for key in whole:
        if not ranges[key].low.is_integer() or not ranges[key].high.is_integer():
            raise ValueError(f"tune.space.{key}: expected whole numbers, as {key} is one")
    for end in ("low", "high"):
        ends = {key: getattr(found, end) for key, found in ranges.items()}
        ends |= {key: int(ends[key]) for key in whole}
        # The kept shares come nearest to crossing where the lower is high and the upper low.
        for key, nearest in (("masking.keep_min_frac", "high"), ("masking.keep_max_frac", "low")):
            if key in ranges:
                ends[key] = getattr(ranges[key], nearest)
        settled(base, ends)


def rounded(point: Point) -> dict[str, Any]:
    """Four digits of each value: what is trained is what a person can read and write."""
    return {
        key: value if isinstance(value, int) else float(f"{value:.4g}")
        for key, value in point.items()
    }


def section(config: TrainConfig) -> dict[str, Any]:
    """A section ``train`` as a parameter file has it."""
    return {"train": asdict(config)}


def _named(group: str, entry: Any) -> dict[str, Any]:
    return (
        {} if entry is None else {f"{group}.{name}": value for name, value in vars(entry).items()}
    )
