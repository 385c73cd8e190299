"""The paper's figures and more, each from plain arrays to a matplotlib figure."""

from ojala.figures.style import COLOURS, save
from ojala.figures.training_set import noise, sampling

__all__ = ["COLOURS", "noise", "sampling", "save"]
