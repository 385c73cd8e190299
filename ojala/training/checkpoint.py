"""The checkpoint of a training: all that it needs to go on as if it had not stopped."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ojala.tables.writing import written_whole


class UnreadableError(ValueError):
    """A checkpoint that is absent, cut short or none."""


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """All that a training needs to go on: a checkpoint's content.

    epoch: epochs done; objective: tensors of model and reweighting network by name
    """

    epoch: int
    objective: dict[str, Tensor]
    optimizers: list[dict[str, Any]]

    def write(self, path: str | Path) -> None:
        """Write one file; it appears whole or not at all.

        Raises OSError naming the file where it cannot be written.
        """
        content = {"epoch": self.epoch, "objective": self.objective, "optimizers": self.optimizers}
        # Of a full disk torch's own writer says "unexpected pos", and nothing else.
        whole = io.BytesIO()
        torch.save(content, whole)
        with written_whole(path) as partial:
            try:
                partial.write_bytes(whole.getbuffer())
            except OSError as error:  # of a full disk it has no name
                raise OSError(error.errno, error.strerror, str(partial)) from None

    @classmethod
    def read(cls, path: str | Path) -> TrainState:
        """Read what ``write`` wrote. Raises UnreadableError that names the file."""
        try:
            return cls(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:
            raise UnreadableError(f"{path}: not a readable checkpoint ({error})") from None

    def restore(self, objective: nn.Module, optimizers: Iterable[Optimizer]) -> None:
        """Give it back to what it was captured of.

        Raises UnreadableError for another network, and optimisers of other parameters.
        """
        try:
            objective.load_state_dict(self.objective)
            for optimizer, saved in zip(optimizers, self.optimizers, strict=True):
                optimizer.load_state_dict(saved)
        except (RuntimeError, ValueError) as error:
            why = str(error).strip().splitlines()[0].rstrip(":")
            raise UnreadableError(
                "the checkpoint is of another network or other optimisers, of an earlier version "
                f"perhaps ({why}): remove this training from the storage to begin it anew"
            ) from None


def captured(epoch: int, objective: nn.Module, optimizers: Iterable[Optimizer]) -> TrainState:
    """The state after ``epoch`` epochs, copied: the training may go on."""
    return TrainState(
        epoch=epoch,
        objective=copy.deepcopy(objective.state_dict()),
        optimizers=[copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers],
    )
