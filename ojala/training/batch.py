"""What the network is shown and what it is asked: context, queries and targets (Appendix A.3).

A step draws one context size for all its sources, and each source its own random subset of that
size: no padding, and no mask, unless a source has fewer tokens than that. All choices are made on
the training device. Choosing k of a set by weights, without replacement, is a race: the k smallest
of E / w with E exponential.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ojala.model.context import Context, chosen
from ojala.training.fresh_noise import renoised
from ojala.training.resident import IS_LABEL_ID, ResidentTable, is_label_on
from ojala.training.views import (
    Views,
    ViewsConfig,
    draw_views,
    known_labels,
    shown,
    targets,
)


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """How context and targets are chosen.

    num_targets: tokens asked for in a pass
    min_context: context tokens that every source keeps, where it has them
    keep_min_frac, keep_max_frac: the share of tokens kept is uniform between these
    max_token_weight: cap of the token weights, 1 / frequency
    label_weight: how much more often a label is asked for than a band of the same frequency;
        1 is the paper's, a short training learns labels sooner with more
    size_multiple: context sizes are rounded to multiples of this (8 suits GPU kernels)
    fresh_noise: add new Gaussian noise of 1 sigma to the noiseless bands at each draw
    calibration_err: 1 sigma of a band's zero-point, mag, that fresh noise moves it by as well
    views: every label is asked for in a pass, and sources are shown complete, by trays or in part
        (``ojala.training.views``); num_targets, label_weight and size_multiple then mean nothing.
        null: the paper's, a few targets of any kind
    """

    num_targets: int = 5
    min_context: int = 5
    keep_min_frac: float = 0.0
    keep_max_frac: float = 1.0
    max_token_weight: float = 1000.0
    label_weight: float = 1.0
    size_multiple: int = 1
    fresh_noise: bool = False
    calibration_err: float = 0.0
    views: ViewsConfig | None = None

    def __post_init__(self) -> None:
        for name in ("num_targets", "min_context", "size_multiple"):
            if getattr(self, name) < 1:
                raise ValueError(f"masking.{name} is {getattr(self, name)}, expected 1 or more")
        if not 0 <= self.keep_min_frac <= self.keep_max_frac <= 1:
            raise ValueError(
                "masking: expected 0 <= keep_min_frac <= keep_max_frac <= 1, not "
                f"{self.keep_min_frac} and {self.keep_max_frac}"
            )
        if self.max_token_weight < 1:
            raise ValueError(f"masking.max_token_weight is {self.max_token_weight}, expected >= 1")
        if not self.label_weight > 0:
            raise ValueError(f"masking.label_weight is {self.label_weight}, expected > 0")
        if self.calibration_err < 0:
            raise ValueError(
                f"masking.calibration_err is {self.calibration_err}, expected 0 mag or more"
            )

    @property
    def label_context(self) -> float:
        """Share of the sources that are shown labels and asked for others; the paper's is 0."""
        return 0.0 if self.views is None else self.views.label_context


PAPER = MaskingConfig()
"""The paper's choice."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step's sources: a context each, and what is asked of it.

    query_ids: (num_sources, num_targets), 0 where a source has too few tokens
    targets, target_errors: same shape, scaled
    photometric: (num_sources,), True where the context holds no label
    """

    context: Context
    query_ids: Tensor
    targets: Tensor
    target_errors: Tensor
    photometric: Tensor

    def __len__(self) -> int:
        return len(self.query_ids)


def token_weights(frequency: Tensor, max_weight: float) -> Tensor:
    """Weights of tokens, 1 / frequency up to a cap; 0 for one that never occurs, (num_tokens,)."""
    weights = (1 / frequency).clamp(max=max_weight)
    return torch.where(frequency > 0, weights, 0.0)


def context_size(
    config: MaskingConfig, observed_range: tuple[int, int], rng: np.random.Generator
) -> int:
    """Context tokens of a step: a uniform share of the most that a source has observed."""
    most = observed_range[1]
    kept = rng.uniform(config.keep_min_frac, config.keep_max_frac) * most
    rounded = config.size_multiple * round(kept / config.size_multiple)
    return min(max(rounded, config.min_context), most)


def draw_batch(
    table: ResidentTable,
    config: MaskingConfig,
    *,
    batch_size: int,
    num_context: int,
    generator: torch.Generator,
    part: slice = slice(None),
) -> Batch:
    """Draw ``batch_size`` sources with their contexts and targets; give those of ``part``.

    Every worker draws the randomness of the whole batch and takes its own part of it, so that the
    batch does not depend on the number of workers.
    """
    rows = table.draw(batch_size, generator)[part]
    target_race, context_race = _exponential(2, batch_size, table, generator)[:, part]
    values, errors = table.values[rows].float(), table.errors[rows].float()
    if config.fresh_noise:
        shape = (2, batch_size, values.shape[1])
        deviates = torch.randn(shape, device=table.device, generator=generator)[:, part]
        values = renoised(table, rows, config.calibration_err, deviates)
    races = target_race, context_race
    if config.views is None:
        return _few_targets(table, config, values, errors, races, num_context)
    views = draw_views(config.views, batch_size, table.device, generator, part)
    return _every_label(table, config, config.views, views, values, errors, races)


def _few_targets(
    table: ResidentTable,
    config: MaskingConfig,
    values: Tensor,
    errors: Tensor,
    races: tuple[Tensor, Tensor],
    num_context: int,
) -> Batch:
    """A few tokens of any kind are asked for, beside a context of ``num_context`` others."""
    target_race, context_race = races
    weights = token_weights(table.frequency, config.max_token_weight)
    asked_weights = torch.where(is_label_on(table.device), config.label_weight, 1.0) * weights
    present = torch.isfinite(values)
    index, won = _winners(target_race / asked_weights, present, config.num_targets)
    is_target = torch.zeros_like(present).scatter(1, index, won)
    available = present & ~is_target & ~_excluded(is_target)
    context = _chosen_context(
        values,
        available,
        context_race / weights,
        num_context,
        full=num_context <= table.observed_range[0] - config.num_targets,
    )
    return _batch(context, values, errors, index, won)


def _every_label(
    table: ResidentTable,
    config: MaskingConfig,
    views_config: ViewsConfig,
    views: Views,
    values: Tensor,
    errors: Tensor,
    races: tuple[Tensor, Tensor],
) -> Batch:
    """Every label that is not known is asked for, beside a context that its view decides."""
    target_race, context_race = races
    weights = token_weights(table.frequency, config.max_token_weight)
    present = torch.isfinite(values)
    known = known_labels(views, present, target_race)
    is_target = targets(views_config, views, present, known, target_race / weights)
    available = present & ~is_target & ~is_label_on(table.device)
    context = _viewed(config, views, values, available, context_race / weights, known)
    most = min(table.most_labels + views_config.num_bands, values.shape[1])
    index, won = _winners(target_race, is_target, most)
    return _batch(context, values, errors, index, won)


def _viewed(
    config: MaskingConfig,
    views: Views,
    values: Tensor,
    available: Tensor,
    race: Tensor,
    known: Tensor | None = None,
) -> Context:
    """The context of each source's view, and the labels that are known; one column a token."""
    keep = (config.keep_min_frac, config.keep_max_frac)
    taken = shown(views, available, race, keep, config.min_context)
    if known is not None:
        taken = taken | known
    ids = torch.arange(1, values.shape[1] + 1, device=values.device)
    return Context(
        ids=torch.where(taken, ids, 0), values=torch.where(taken, values, 0.0), padding=~taken
    )


def _batch(context: Context, values: Tensor, errors: Tensor, index: Tensor, won: Tensor) -> Batch:
    """The batch that asks for the tokens at ``index`` that took part in a race."""
    return Batch(
        context=context,
        query_ids=torch.where(won, index + 1, 0),
        targets=torch.where(won, values.gather(1, index), 0.0),
        target_errors=torch.where(won, errors.gather(1, index), 0.0),
        photometric=~_is_label_id(values.device)[context.ids].any(dim=1),
    )


def draw_context(
    table: ResidentTable,
    weights: Tensor,
    *,
    batch_size: int,
    num_context: int,
    generator: torch.Generator,
    part: slice = slice(None),
    config: MaskingConfig = PAPER,
) -> Context:
    """Contexts of sources without labels (real J-PAS), chosen as those of the mocks are.

    weights: the token weights of the mocks, (num_tokens,)
    """
    rows = table.draw(batch_size, generator)[part]
    race = _exponential(1, batch_size, table, generator)[0, part]
    values = table.values[rows].float()
    if config.views is not None:
        views = draw_views(config.views, batch_size, table.device, generator, part)
        return _viewed(config, views, values, torch.isfinite(values), race / weights)
    return _chosen_context(
        values,
        torch.isfinite(values),
        race / weights,
        num_context,
        full=num_context <= table.observed_range[0],
    )


def _excluded(is_target: Tensor) -> Tensor:
    """Labels of the sources that have a label among their targets: mutual exclusion."""
    is_label = is_label_on(is_target.device)
    return (is_target & is_label).any(dim=1, keepdim=True) & is_label


def _chosen_context(
    values: Tensor, available: Tensor, race: Tensor, num_context: int, *, full: bool
) -> Context:
    """``num_context`` of the available tokens; ``full`` says that every source has that many."""
    index, taken = _winners(race, available, num_context)
    return chosen(values, index, taken, full=full)


def _winners(race: Tensor, available: Tensor, num_winners: int) -> tuple[Tensor, Tensor]:
    """The first ``num_winners`` of a race among those available, and who of them took part."""
    times = torch.where(available, race, torch.inf)
    best, index = torch.topk(times, num_winners, dim=1, largest=False)
    return index, torch.isfinite(best)


def _exponential(
    num_races: int, batch_size: int, table: ResidentTable, generator: torch.Generator
) -> Tensor:
    shape = (num_races, batch_size, table.values.shape[1])
    return torch.empty(shape, device=table.device).exponential_(generator=generator)


@cache
def _is_label_id(device: torch.device) -> Tensor:
    """Whether a token id is a label; padding, id 0, is not."""
    return torch.from_numpy(IS_LABEL_ID).to(device)
