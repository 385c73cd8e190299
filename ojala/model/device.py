"""Where arithmetic runs: the device of a process, and how many sources it takes at a time."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

ROWS_PER_BATCH = {"cpu": 64, "cuda": 4096}
"""Sources of a batch at inference. On a CPU larger ones leave the cache and are 30-50 % slower."""

Precision: TypeAlias = Literal["float32", "bfloat16"]
"""What arithmetic is done in."""


def default_device() -> torch.device:
    """The GPU that the process was given, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def known_precision(
    precision: Literal["float32", "bfloat16", "auto"], device: torch.device
) -> Precision:
    """What "auto" means on a device: "bfloat16" where its products are fast, else "float32".

    A processor without instructions for bfloat16 multiplies it thirty times more slowly.
    """
    if precision != "auto":
        return precision
    if device.type != "cpu":
        return "bfloat16"
    capabilities = torch.cpu.get_capabilities()
    fast = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bfloat16" if fast else "float32"


def rows_per_batch(device: torch.device) -> int:
    """Sources that ``device`` answers about at a time."""
    return ROWS_PER_BATCH.get(device.type, 64)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 arithmetic where ``precision`` asks for it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
