"""A plain masked network: a residual perceptron on all bands at once, with p(z) in steps.

What simple networks do on small tables (Gorishniy et al. 2021; Imani & White 2018 for the steps):
it shares OJALA's draws of noise, zero points and views, its steps of ln(1 + z) and its likelihood,
and has neither tokens nor attention. A band that is missing or hidden is 0, and a mask says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy.special import ndtr, stdtrit
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import answers
from ojala.measures.redshift_pdf import RedshiftPdf
from ojala.model.likelihood import student_nll
from ojala.model.redshift import HIGHEST, LOWEST
from ojala.model.redshift_columns import named, summary
from ojala.model.scaling import Scaling
from ojala.tables.shards import CATEGORICAL, CLEAN_SUFFIX, PERTURBED, Columns
from ojala.training.fresh_noise import renoised
from ojala.training.redshift_loss import SMOOTHING, soft_targets
from ojala.training.resident import (
    IS_LABEL,
    ResidentTable,
    measured_scaling,
    observed_values,
    resident,
)
from ojala.training.views import ViewsConfig, draw_views, shown
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, NO_CODE, observations, vocabulary

WIDTH, NUM_BLOCKS, NUM_STEPS = 256, 3, 400
DROPOUT = 0.1
BATCH_SIZE = 512
UPDATES = 1500
LEARNING_RATE, WEIGHT_DECAY, CLIP = 2e-3, 0.01, 5.0

VIEWS = ViewsConfig(complete_share=0.5, tray_share=0.3, num_bands=0, hidden_survey=0.08)
KEEP, FEWEST = (0.2, 1.0), 5
CALIBRATION_ERR = 0.04
"""Views, share of the tokens of a part, and zero points in mag: the demo's (params.yaml)."""

NUMBERS = tuple(token for token in answers.CONTINUOUS if token not in answers.REDSHIFTS)
"""Quantities that are answered by a Student-t, as OJALA's are."""

DEGREES_OF_FREEDOM = 3
ONE_SIGMA_OF_T = float(stdtrit(DEGREES_OF_FREEDOM, ndtr(1.0)))
"""Half of the central 68 % of a Student-t over its scale."""

OBSERVED = torch.from_numpy(np.flatnonzero(~IS_LABEL))
NUMBER_INDEX = [vocabulary().index(token) for token in NUMBERS]
CLASS_INDEX = vocabulary().index("SPECTYPE")
SHAPE_PLACE = observations().index("MORPHTYPE")
EDGES = torch.stack(
    [torch.linspace(np.log1p(LOWEST), np.log1p(top), NUM_STEPS + 1) for top in HIGHEST]
)
"""Steps of ln(1 + z) of galaxies and of quasars, (2, NUM_STEPS + 1)."""


class Block(nn.Module):
    """What two layers add to their input."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, WIDTH),
            nn.SiLU(),
            nn.Dropout(DROPOUT),
            nn.Linear(WIDTH, WIDTH),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """The sum, as ``hidden``."""
        return hidden + self.layers(hidden)


class Network(nn.Module):
    """Logits of classes and of steps of redshift, means and log variances of NUMBERS."""

    def __init__(self) -> None:
        super().__init__()
        num_inputs = 2 * (len(OBSERVED) - 1) + len(MORPHTYPES)
        self.sizes = (len(CLASSES), EDGES.shape[0] * NUM_STEPS, len(NUMBERS), len(NUMBERS))
        self.layers = nn.Sequential(
            nn.Linear(num_inputs, WIDTH),
            *(Block() for _ in range(NUM_BLOCKS)),
            nn.LayerNorm(WIDTH),
            nn.Linear(WIDTH, sum(self.sizes)),
        )

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        """Answers, (num_sources, 3), (num_sources, 2, NUM_STEPS), twice (num_sources, 12).

        values: scaled observations, NaN where missing or hidden, (num_sources, 61)
        """
        classes, steps, mean, log_var = self.layers(inputs(values)).split(self.sizes, dim=1)
        return classes, steps.unflatten(1, (-1, NUM_STEPS)), mean, log_var.clamp(-10, 10)


def inputs(values: Tensor) -> Tensor:
    """Bands, 0 where not known; which are known; the shape as one of MORPHTYPES, or none."""
    shape = values[:, SHAPE_PLACE, None].nan_to_num(NO_CODE)
    bands = torch.cat([values[:, :SHAPE_PLACE], values[:, SHAPE_PLACE + 1 :]], dim=1)
    # Far values are noise of faint sources: they grow as their logarithm.
    known = [bands.asinh().nan_to_num(0.0), torch.isfinite(bands).float()]
    return torch.cat([*known, (shape == torch.arange(len(MORPHTYPES))).float()], dim=1)


@dataclass
class PlainNetwork:
    """Class, p(z) of galaxies and of quasars, and every other quantity with its 1 sigma."""

    name: str = "plain network"
    given: tuple[str, ...] = ()
    updates: int = UPDATES
    scaling: Scaling | None = None
    network: Network | None = None

    def fit(self, train: Columns) -> None:
        """Draw sources with new noise and views, as OJALA does, ``updates`` times."""
        table = drawn_from(train)
        redshifts = redshift_targets(train)
        torch.manual_seed(1)
        self.scaling, self.network = table.scaling, Network()
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, LEARNING_RATE, total_steps=self.updates, pct_start=0.1
        )
        for rows, values in _draws(table, self.updates):
            loss = _loss(self.network(values), table, rows, redshifts[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
            optimizer.step()
            schedule.step()
        self.network.eval()

    @torch.no_grad()
    def predict(self, sources: Columns) -> Columns:
        """Answers to everything; the redshift is the mode of p(z), and its error holds 68 %."""
        assert self.network is not None and self.scaling is not None, "fit it first"
        values = torch.from_numpy(scaled(sources, self.scaling)).float()
        classes, steps, mean, log_var = self.network(values)
        columns = answers.unanswered(len(values))
        columns |= answers.classes(classes.softmax(dim=1).numpy())
        for place, token in enumerate(answers.REDSHIFTS):
            probability = steps[:, place].double().softmax(dim=1).numpy()
            pdf = RedshiftPdf(edges=EDGES[place].double().numpy(), probability=probability)
            columns |= named(token, summary(pdf))
        for place, token in enumerate(NUMBERS):
            numbers = mean[:, place].double(), (0.5 * log_var[:, place]).double().exp()
            value, sigma = self.scaling.unscale(token, *(number.numpy() for number in numbers))
            columns |= {token: value, f"{token}_ERR": ONE_SIGMA_OF_T * sigma}
        return columns


def drawn_from(train: Columns) -> ResidentTable:
    """The training table as OJALA draws from it: the sources of a class alike, and noiseless."""
    names = [name for token in vocabulary() for name in (token, f"{token}_ERR")]
    noiseless = [f"{token}{CLEAN_SUFFIX}" for token in PERTURBED]
    has_clean = noiseless[0] in train
    wanted = [*names, "weight", *noiseless] if has_clean else [*names, "weight"]
    table = pa.table({name: train[name] for name in wanted if name in train})
    scaling = measured_scaling(table)
    return resident(table, scaling, labelled=True, sampling="uniform", with_clean=has_clean)


def redshift_targets(train: Columns) -> Tensor:
    """Share of each step in each label, 0 without a label, (num_sources, 2, NUM_STEPS)."""
    z = torch.from_numpy(_both(train, "")).double()
    sigma = torch.from_numpy(_both(train, "_ERR")).double() / (1 + z)
    share = soft_targets(EDGES.double(), z.log1p(), sigma.nan_to_num(0.0), SMOOTHING)
    return share.nan_to_num(0.0).float()


def scaled(sources: Columns, scaling: Scaling) -> answers.Floats:
    """Observations as the network sees them, NaN where missing, (num_sources, 61)."""
    columns = []
    for token in observations():
        value = np.asarray(sources[token], dtype=np.float64)
        if token in CATEGORICAL:
            columns.append(np.where(value == NO_CODE, np.nan, value))
        else:
            error = np.asarray(sources[f"{token}_ERR"], dtype=np.float64)
            columns.append(scaling.scale(token, observed_values(value, error), error)[0])
    return np.column_stack(columns)


def _draws(table: ResidentTable, number: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and what is shown of them, (BATCH_SIZE,) and (BATCH_SIZE, 61), so many times."""
    generator = torch.Generator().manual_seed(1)
    is_label = torch.from_numpy(IS_LABEL)
    for _ in range(number):
        rows = table.draw(BATCH_SIZE, generator)
        values = table.values[rows]
        if table.clean is not None:
            deviates = torch.randn((2, *values.shape), generator=generator)
            values = renoised(table, rows, CALIBRATION_ERR, deviates)
        views = draw_views(VIEWS, BATCH_SIZE, table.device, generator)
        race = torch.rand(values.shape, generator=generator)
        visible = shown(views, torch.isfinite(values) & ~is_label, race, KEEP, FEWEST)
        yield rows, torch.where(visible, values, torch.nan)[:, OBSERVED]


def _loss(
    answered: tuple[Tensor, ...], table: ResidentTable, rows: Tensor, redshift: Tensor
) -> Tensor:
    """What the labels of a source cost together, the mean of a batch."""
    classes, steps, mean, log_var = answered
    spectype = table.values[rows, CLASS_INDEX].nan_to_num(NO_CODE).long()
    labels = table.values[rows][:, NUMBER_INDEX]
    known = torch.isfinite(labels)
    errors = table.errors[rows][:, NUMBER_INDEX]
    residual = torch.where(known, labels - mean, 0.0)
    numbers = student_nll(residual, errors, log_var, DEGREES_OF_FREEDOM)
    costs: Any = F.cross_entropy(classes, spectype, ignore_index=NO_CODE, reduction="none")
    costs = costs - (redshift * steps.log_softmax(dim=-1)).sum(dim=(1, 2))
    return (costs + torch.where(known, numbers, 0.0).sum(dim=1)).mean()


def _both(train: Columns, suffix: str) -> answers.Floats:
    return np.column_stack([train[f"{token}{suffix}"] for token in answers.REDSHIFTS])
