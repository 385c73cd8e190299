"""What the machine has, as far as a process may use it: cores, instructions, GPUs, memory, disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

FEATURES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "amx_int8", "sve", "bf16")
"""Instructions that speed up a network, by torch's names."""

CONTROL_GROUP = Path("/sys/fs/cgroup")
"""Where Linux tells the limits of a container."""


def cores() -> int:
    """Cores that this process may use: those of its affinity, and of a container's share."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota, _, period = _limit("cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        return max(1, min(allowed or 1, int(quota) // int(period)))
    return allowed or 1


def features() -> list[str]:
    """Instructions of FEATURES that the processor has."""
    there = torch.cpu.get_capabilities()
    return [name for name in FEATURES if there.get(name)]


def gpus() -> list[str]:
    """Name and memory of every GPU that the process sees."""
    found = [torch.cuda.get_device_properties(at) for at in range(torch.cuda.device_count())]
    return [f"{one.name}, {gigabytes(one.total_memory)}" for one in found]


def memory() -> tuple[int, int]:
    """Bytes of memory in all, and those that are free; of the container where that is less."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = (os.sysconf(f"SC_{name}_PAGES") * page for name in ("PHYS", "AVPHYS"))
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():  # what caches hold is free as well
        cells = (line.split() for line in meminfo.read_text().splitlines())
        free = next((int(c[1]) * 1024 for c in cells if c[0] == "MemAvailable:"), free)
    limit, used = _limit("memory.max"), _limit("memory.current")
    if limit.isdigit() and used.isdigit() and int(limit) < total:
        return int(limit), min(free, max(int(limit) - int(used), 0))
    return total, free


def disk(place: Path = Path()) -> int:
    """Bytes that are free where ``place`` is."""
    return shutil.disk_usage(place).free


def gigabytes(size: int) -> str:
    """A number of bytes in words."""
    return f"{size / 1e9:.1f} GB"


def _limit(name: str) -> str:
    path = CONTROL_GROUP / name
    return path.read_text().strip() if path.is_file() else ""
