"""Training steps on a CPU: this implementation against a straightforward one, and where time goes.

    python benchmarks/train_cpu.py [--preset released] [--batch 256] [--turns 3] [--threads 2]

One step is draw, forward, backward, clip and AdamW, mocks alone, over the context sizes that the
masking draws (5 to 61, in equal parts). All ways take turns in one run; the best turn of each
counts, so that what else the machine does matters little. Ratios are to the first line.
"""

import argparse
import time
from types import SimpleNamespace

import numpy as np
import straightforward
import torch
from random_tables import random_table
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ojala.model.context import Context
from ojala.model.network import Ojala
from ojala.model.presets import preset
from ojala.training.adaptation import AdaptationConfig
from ojala.training.batch import Batch, MaskingConfig, draw_batch, draw_context, token_weights
from ojala.training.loss import Objective

SIZES = (8, 20, 33, 45, 58)
PADDED = 75

TERMS = {
    "matrix products": ("aten::mm", "aten::addmm"),
    "attention": ("aten::bmm", "aten::baddbmm", "softmax", "scaled_dot", "aten::all"),
    "GELU": ("gelu",),
    "LayerNorm": ("layer_norm",),
    "dropout": ("bernoulli", "dropout", "random_"),
    "embedding, indexing": ("embedding", "index", "gather", "scatter"),
    "choice of tokens": ("topk", "exponential", "searchsorted", "isfinite"),
    "copies, casts, cat": ("copy_", "aten::cat", "contiguous", "fill_"),
    "optimiser, clip": ("adamw", "foreach", "norm"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="released")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tables = SimpleNamespace(
        mocks=random_table(20_000, labelled=True), jpas=random_table(5_000, labelled=False)
    )
    check_same_numbers(arguments.preset, tables)
    ways = {
        "straightforward, padded, float32": (padded_step, "float32", False),
        "this code, padded, float32": (masked_step, "float32", False),
        "one token count, float32": (step, "float32", False),
        "one token count, bfloat16": (step, "bfloat16", False),
        "the same with J-PAS and MMD": (step, "bfloat16", True),
    }
    seconds = {name: np.inf for name in ways}
    for _ in range(arguments.turns):
        for name, way in ways.items():
            seconds[name] = min(seconds[name], time_of(arguments, tables, *way))
    report(arguments, seconds)
    costs(arguments, tables)


def check_same_numbers(name, tables):
    """The straightforward network and this one say the same."""
    torch.manual_seed(0)
    model = Ojala(preset(name)).eval()
    batch = padded(drawn(tables, 64, 30))
    given = (batch.context.ids, batch.context.values, batch.query_ids, batch.context.padding)
    for one, other in zip(straightforward.forward(model, *given), model(*given), strict=True):
        assert torch.allclose(one, other, atol=1e-4), "the implementations differ"


def drawn(tables, batch_size, num_context):
    generator = torch.Generator().manual_seed(num_context)
    return draw_batch(
        tables.mocks,
        MaskingConfig(),
        batch_size=batch_size,
        num_context=num_context,
        generator=generator,
    )


def padded(batch):
    """The batch with contexts padded to the longest there can be."""
    missing = PADDED - batch.context.ids.shape[1]
    ids, values = (F.pad(part, (0, missing)) for part in (batch.context.ids, batch.context.values))
    context = Context(ids=ids, values=values, padding=ids == 0)
    return Batch(**vars(batch) | {"context": context})


def padded_step(objective, batch, jpas):
    given = (batch.context.ids, batch.context.values, batch.query_ids, batch.context.padding)
    return objective._supervised_terms(straightforward.forward(objective.model, *given), batch)


def masked_step(objective, batch, jpas):
    return objective(batch)


def step(objective, batch, jpas):
    return objective(batch, jpas, 1.0)


def time_of(arguments, tables, terms_of, precision, adapts):
    """Seconds per sample, mean over the context sizes."""
    objective, optimizer = trainable(arguments.preset, tables, precision)
    is_padded = terms_of in (padded_step, masked_step)
    one_step(arguments, tables, objective, optimizer, terms_of, 20, is_padded, adapts)
    start = time.process_time()
    for size in SIZES:
        one_step(arguments, tables, objective, optimizer, terms_of, size, is_padded, adapts)
    return (time.process_time() - start) / len(SIZES) / arguments.batch


def one_step(arguments, tables, objective, optimizer, terms_of, size, is_padded, adapts):
    batch = drawn(tables, arguments.batch, size)
    jpas = None
    if adapts:
        jpas = draw_context(
            tables.jpas,
            token_weights(tables.mocks.frequency, 1000.0),
            batch_size=arguments.batch // 5,
            num_context=size,
            generator=torch.Generator().manual_seed(0),
        )
    terms = terms_of(objective, padded(batch) if is_padded else batch, jpas)
    loss = terms["regression"] + terms["spectype"] + terms["morphtype"]
    optimizer.zero_grad(set_to_none=True)
    (loss + terms.get("adaptation", 0)).backward()
    nn.utils.clip_grad_norm_(objective.parameters(), 5.0)
    optimizer.step()


def trainable(name, tables, precision):
    torch.manual_seed(0)
    adaptation = AdaptationConfig()
    objective = Objective(
        Ojala(preset(name)), tables.mocks.scaling, adaptation, precision=precision
    ).train()
    return objective, torch.optim.AdamW(objective.parameters(), lr=1e-4, fused=True)


def report(arguments, seconds):
    slowest = next(iter(seconds.values()))
    threads, batch = arguments.threads, arguments.batch
    print(f"{arguments.preset}: batch {batch}, {threads} threads, torch {torch.__version__}")
    for name, taken in seconds.items():
        print(f"{name:34s} {1 / taken:8.0f} samples/s   x {slowest / taken:.2f}")


def costs(arguments, tables):
    """Shares of a step by kind of operation, at 33 tokens."""
    for precision in ("float32", "bfloat16"):
        objective, optimizer = trainable(arguments.preset, tables, precision)
        given = (arguments, tables, objective, optimizer, step, 33, False, True)
        one_step(*given)
        with FlopCounterMode(display=False) as counter:
            one_step(*given)
        with torch.profiler.profile() as profile:
            one_step(*given)
        times = {name: 0.0 for name in (*TERMS, "other")}
        for event in profile.key_averages():
            times[term_of(event.key.lower())] += event.self_cpu_time_total
        total = sum(times.values())
        mflop = counter.get_total_flops() / arguments.batch / 1e6
        print(f"\n{precision}, 33 tokens, J-PAS beside: {mflop:.0f} MFLOP a sample")
        for name, taken in sorted(times.items(), key=lambda item: -item[1]):
            print(f"  {name:24s} {100 * taken / total:5.1f} %")


def term_of(operation):
    for name, parts in TERMS.items():
        if any(part in operation for part in parts):
            return name
    return "other"


if __name__ == "__main__":
    main()
