"""The settings of a training."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

from ojala.model.presets import preset
from ojala.training.adaptation import AdaptationConfig
from ojala.training.batch import (
    MaskingConfig,
)
from ojala.training.redshift_loss import SMOOTHING

VERSION = re.compile(r"[\w.-]+/\d+")
"""A model of the registry and a number: what it names never changes."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The section ``train`` of a parameter file; defaults are the paper's.

    preset: layout of the model, "released", "paper", "demo", "lean" or "wide"
    num_epochs, steps_per_epoch: an epoch is a number of steps; after each comes a validation
    batch_size, jpas_batch_size: sources of a step over all workers, mocks and J-PAS
    optimizer: "adamw", or "muon": Muon for matrices, AdamW for all else
    learning_rate: falls to 0 on a cosine after a linear rise over warmup_steps
    weight_decay: of matrices (biases, norms and widths of kernels are not decayed)
    clip: largest norm of the gradient
    precision: "float32", "bfloat16" (autocast; heads, losses and weights stay float32), or "auto",
        the second where the device is fast at it
    storage: type of the resident table; "float16" for tables of millions
    val_rows: sources of the validation split that are validated on, at most
    compile: torch.compile the step (its first steps take minutes)
    ew_transform: "asinh", or "linear" as in the released model
    sampling: within a class by the table's "weights" (the paper's), or "uniform"
    regression_weight: of L_reg in the objective; the paper's 1 leaves ten labels the weight of one
    degrees_of_freedom: of the Student-t that labels but redshifts are likely by
        (``ojala.model.likelihood``); 0: the paper's Gaussian, as bands have anyway
    redshift_smoothing: of redshift labels, in steps of ln(1 + z), where they are answered by steps
    masking: context and targets; adaptation: null trains on mocks alone
    teacher: a version of the registered model, "ojala/3", whose answers are learnt beside the
        labels (``ojala.training.distillation``); null: no teacher
    """

    preset: Literal["released", "paper", "demo", "lean", "wide"] = "released"
    num_epochs: int = 1000
    steps_per_epoch: int = 2000
    batch_size: int = 10_000
    jpas_batch_size: int = 2_000
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    weight_decay: float = 0.01
    clip: float = 5.0
    precision: Literal["float32", "bfloat16", "auto"] = "bfloat16"
    storage: Literal["float32", "float16"] = "float16"
    val_rows: int = 20_000
    compile: bool = False
    ew_transform: Literal["asinh", "linear"] = "asinh"
    seed: int = 0
    sampling: Literal["weights", "uniform"] = "weights"
    regression_weight: float = 1.0
    degrees_of_freedom: int = 0
    redshift_smoothing: float = SMOOTHING
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    adaptation: AdaptationConfig | None = field(default_factory=AdaptationConfig)
    teacher: str | None = None

    def __post_init__(self) -> None:
        preset(self.preset)
        if self.teacher is not None and not VERSION.fullmatch(self.teacher):
            raise ValueError(
                f"train.teacher is {self.teacher!r}, expected a version of the model, as ojala/3: "
                "an alias may be another network tomorrow"
            )
        for name in ("num_epochs", "steps_per_epoch", "batch_size", "jpas_batch_size", "val_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"train.{name} is {getattr(self, name)}, expected 1 or more")
        for name in ("learning_rate", "clip", "regression_weight", "redshift_smoothing"):
            if not getattr(self, name) > 0:
                raise ValueError(f"train.{name} is {getattr(self, name)}, expected > 0")
        for name in ("warmup_steps", "weight_decay", "seed", "degrees_of_freedom"):
            if getattr(self, name) < 0:
                raise ValueError(f"train.{name} is {getattr(self, name)}, expected 0 or more")

    @property
    def num_steps(self) -> int:
        """Steps of the whole training."""
        return self.num_epochs * self.steps_per_epoch

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step: linear rise, then cosine to 0."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(self.num_steps - self.warmup_steps, 1)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
