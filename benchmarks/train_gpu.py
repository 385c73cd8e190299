"""Training steps on a GPU: samples a second, share of the matrix peak, and what bounds them.

    python benchmarks/train_gpu.py [--preset released] [--sources 2000000] [--batch 10000]
                                   [--jpas 2000] [--steps 60] [--compile]

The full objective as ``fit`` runs it: draws on the device, MMD, clip, AdamW, bfloat16. In the same
run: the peak of a bfloat16 matrix product, FLOP of a step counted, operations by time on the
device, and the encoder's attention by other kernels. One JSON object on stdout, words on stderr.
On a machine without a GPU ``--device cpu`` with small numbers shows that it runs.
"""

import argparse
import json
import sys
import time

import attention_kernels
import torch
from random_tables import random_table
from torch.utils.flop_counter import FlopCounterMode

from ojala.model.network import Ojala
from ojala.model.presets import preset
from ojala.training.adaptation import AdaptationConfig
from ojala.training.batch import MaskingConfig, draw_batch, draw_context, token_weights
from ojala.training.config import TrainConfig
from ojala.training.fit import fit
from ojala.training.loss import Objective


def main():
    arguments = parsed()
    is_half = arguments.device == "cuda"
    dtype = torch.float16 if is_half else torch.float32
    mocks, jpas = (
        random_table(size, labelled=labelled, device=arguments.device, dtype=dtype)
        for size, labelled in ((arguments.sources, True), (arguments.sources // 10, False))
    )
    found = {
        "device": torch.cuda.get_device_name() if is_half else "cpu",
        "torch": torch.__version__,
        "preset": arguments.preset,
        "batch": [arguments.batch, arguments.jpas],
        "table_gib": round((mocks.values.nbytes + mocks.errors.nbytes) / 2**30, 2),
    }
    say(found)
    found["gemm_peak_tflops"] = gemm_peak(arguments)
    found["sample_mflop"] = {size: flop_of(arguments, mocks, size) for size in (8, 32, 56)}
    found["training"] = {
        f"size_multiple={multiple}{' compiled' if compiled else ''}": training(
            arguments, mocks, jpas, multiple, compiled
        )
        for multiple, compiled in ((1, False), (8, False), *(((8, True),) * arguments.compile))
    }
    best = max(way["samples_per_second"] for way in found["training"].values())
    mean_flop = sum(found["sample_mflop"].values()) / len(found["sample_mflop"]) * 1e6
    found["share_of_peak"] = round(best * mean_flop / found["gemm_peak_tflops"] / 1e12, 3)
    found["operations"] = operations(arguments, mocks, jpas)
    found["attention_ms"] = attention_kernels.times(arguments.device, arguments.batch)
    if is_half:
        found["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    print(json.dumps(found, indent=1))


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="released")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sources", type=int, default=2_000_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--jpas", type=int, default=2_000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--gemm", type=int, default=8192)
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


def gemm_peak(arguments):
    """TFLOP/s of the best of several square bfloat16 products."""
    size = arguments.gemm
    one, other = (
        torch.randn(size, size, device=arguments.device, dtype=torch.bfloat16) for _ in range(2)
    )
    best = min(attention_kernels.seconds_of(lambda: one @ other) for _ in range(5))
    found = 2 * size**3 / best / 1e12
    say(f"bfloat16 GEMM of {size}: {found:.2f} TFLOP/s")
    return round(found, 3)


def config_of(arguments, multiple, compiled, num_epochs):
    return TrainConfig(
        preset=arguments.preset,
        num_epochs=num_epochs,
        steps_per_epoch=arguments.steps,
        batch_size=arguments.batch,
        jpas_batch_size=arguments.jpas,
        compile=compiled,
        masking=MaskingConfig(size_multiple=multiple),
    )


def training(arguments, mocks, jpas, multiple, compiled):
    """Samples a second of the later epochs of ``fit``: the first one warms up."""
    torch.manual_seed(0)
    config = config_of(arguments, multiple, compiled, num_epochs=3)
    epochs = fit(Ojala(preset(arguments.preset)), mocks, jpas, config)
    rates = [epoch.metrics["train/samples_per_second"] for epoch in epochs]
    say(f"size_multiple={multiple} compiled={compiled}: {max(rates[1:]):.0f} samples/s")
    return {"samples_per_second": round(max(rates[1:])), "first_epoch": round(rates[0])}


def one_step(arguments, mocks, jpas, size):
    """A step as a function of nothing."""
    torch.manual_seed(0)
    masking = MaskingConfig(size_multiple=8)
    objective = Objective(
        Ojala(preset(arguments.preset)), mocks.scaling, AdaptationConfig(), precision="bfloat16"
    ).to(arguments.device)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-4, fused=True)
    generator = torch.Generator(arguments.device).manual_seed(0)
    weights = token_weights(mocks.frequency, masking.max_token_weight)
    given = {"num_context": size, "generator": generator}

    def step():
        batch = draw_batch(mocks, masking, batch_size=arguments.batch, **given)
        context = jpas and draw_context(jpas, weights, batch_size=arguments.jpas, **given)
        terms = objective(batch, context, 1.0)
        optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 5.0)
        optimizer.step()

    return step


def flop_of(arguments, mocks, size):
    """MFLOP of a training sample with ``size`` context tokens, without adaptation."""
    few = replace_batch(arguments, 64)
    step = one_step(few, mocks, None, size)
    with FlopCounterMode(display=False) as counter:
        step()
    return round(counter.get_total_flops() / 64 / 1e6)


def replace_batch(arguments, batch):
    return argparse.Namespace(**vars(arguments) | {"batch": batch})


def operations(arguments, mocks, jpas):
    """Share of the device's time by operation, at 32 tokens; and the share that it idles."""
    step = one_step(arguments, mocks, jpas, 32)
    for _ in range(3):
        step()
    attention_kernels.wait()
    start = time.perf_counter()
    with torch.profiler.profile() as profile:
        step()
        attention_kernels.wait()
    wall = (time.perf_counter() - start) * 1e6
    kind = "self_device_time_total" if arguments.device == "cuda" else "self_cpu_time_total"
    times = {event.key: getattr(event, kind) for event in profile.key_averages()}
    total = sum(times.values())
    first = sorted(times.items(), key=lambda item: -item[1])[:15]
    return {"busy": round(total / wall, 3)} | {
        name[:70]: round(taken / total, 3) for name, taken in first
    }


def say(words):
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
