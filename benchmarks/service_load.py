"""The service under load, beside its own Predictor: closed clients, then a Poisson process.

    python -m benchmarks.service_load --bundle models/ojala --seconds 300

In one run, on the loopback: the Predictor's batch rate in a process for each worker; 32 clients of
16 sources that ask again as soon as they are answered; and requests that come by chance, whether or
not those before were answered, at growing shares of the Predictor's rate. The knee is the highest
goodput (sources answered in time); beyond it, refusals must come at once and the next, slower load
must be answered again. Sources are drawn from a table. The clients take processor time themselves:
on a machine with no more cores than workers, that is part of what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import orjson
import torch

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.files import read_table_file
from ojala.tables.shards import column
from ojala.vocabulary.quantities import observations

CLIENTS, SOURCES = 32, 16
IN_TIME = 2.0
"""Seconds within which an answer is of use: what comes later is no goodput."""
SHARES = (0.4, 0.6, 0.8, 1.0, 1.5, 0.4)
"""Of the Predictor's rate, in turn: the last shows whether the service recovers."""


@dataclass
class Asked:
    """A request and what became of it; status 0: the connection was lost."""

    began: float
    seconds: float
    status: int


def sources(path, num):
    """Columns of observed bands of the first sources of a table."""
    table = read_table_file(path)
    names = [one for token in observations() for one in (token, f"{token}_ERR")]
    names = [one for one in names if one in table.column_names and one != "MORPHTYPE"]
    return {name: column(table, name)[:num].astype(float) for name in names}


def bodies(columns):
    """Requests by row, of SOURCES sources each."""
    num = len(columns["MAG_i"]) // SOURCES * SOURCES
    rows = [
        {name: None if math.isnan(v[i]) else float(v[i]) for name, v in columns.items()}
        for i in range(num)
    ]
    return [orjson.dumps({"sources": rows[i : i + SOURCES]}) for i in range(0, num, SOURCES)]


def rate(place, columns, seconds):
    """Sources per second of a Predictor, in batches as large as it likes."""
    torch.set_num_threads(1)
    predictor = Predictor(bundle.load(place), device=torch.device("cpu"))
    predictor.predict({name: values[:64] for name, values in columns.items()})
    began, num = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        predictor.predict(columns)
        num += len(columns["MAG_i"])
    return num / (time.monotonic() - began)


def predictor_rate(place, columns, workers, seconds):
    """The same of as many processes at once as the service has."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return sum(pool.starmap(rate, [(place, columns, seconds)] * workers))


async def ask(session, address, body):
    began = time.monotonic()
    try:
        async with session.post(f"{address}/predict", data=body) as answered:
            await answered.read()
            status = answered.status
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    return Asked(began, time.monotonic() - began, status)


def session():
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        headers={"Content-Type": "application/json"},
        timeout=aiohttp.ClientTimeout(total=60),
    )


async def closed(address, requests, seconds):
    """Clients that ask one request after another."""
    until = time.monotonic() + seconds

    async def client(number, http):
        kept = []
        while time.monotonic() < until:
            kept.append(await ask(http, address, requests[(number + len(kept)) % len(requests)]))
        return kept

    async with session() as http:
        every = await asyncio.gather(*(client(7 * n, http) for n in range(CLIENTS)))
    return [one for kept in every for one in kept]


async def poisson(address, requests, per_second, seconds):
    """Requests at exponential intervals, whatever became of those before."""
    draw, running = random.Random(0), []
    due = until = time.monotonic()
    until += seconds
    async with session() as http:
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            running.append(asyncio.create_task(ask(http, address, draw.choice(requests))))
            due += draw.expovariate(per_second)
        return await asyncio.gather(*running)


def told(name, every, seconds, best):
    """One line about a load; returns its goodput in sources per second."""
    good = [one.seconds for one in every if one.status == 200]
    refused = [one.seconds for one in every if one.status == 429]
    errors = len(every) - len(good) - len(refused)
    goodput = SOURCES * sum(one <= IN_TIME for one in good) / seconds
    p50, p99 = np.percentile(good, [50, 99]) if good else (math.nan, math.nan)
    line = f"{name}: {SOURCES * len(good) / seconds:.0f} sources/s answered ({goodput / best:.0%} "
    line += f"of the Predictor in time), p50 {p50:.3f} s, p99 {p99:.3f} s, "
    line += f"{len(refused)} refused"
    if refused:
        line += f" (p99 {np.percentile(refused, 99):.3f} s)"
    print(f"{line}, {errors} errors", flush=True)
    return goodput


def served(options):
    """The service as a process of its own."""
    settings = {
        "OJALA_BUNDLE": str(options.bundle),
        "OJALA_WORKERS": str(options.workers),
        "OJALA_WAIT_SECONDS": str(options.wait),
        "PORT": str(options.port),
        "BENTOML_HOST": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "serving"]
    return subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.DEVNULL)


async def ready(address):
    async with session() as http:
        for _ in range(600):
            try:
                async with http.get(f"{address}/health") as answered:
                    if answered.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)
    raise SystemExit("the service did not begin")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=Path("models/ojala"))
    parser.add_argument("--table", type=Path, default=Path("data/crossmatch/test_real.parquet"))
    parser.add_argument("--seconds", type=float, default=300.0, help="of the closed clients")
    parser.add_argument("--open-seconds", type=float, default=30.0, help="of each Poisson load")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES, help="Poisson loads")
    parser.add_argument("--wait", type=float, default=2.0, help="OJALA_WAIT_SECONDS")
    parser.add_argument("--port", type=int, default=3123)
    options = parser.parse_args()
    columns = sources(options.table, 1024)
    requests, address = bodies(columns), f"http://127.0.0.1:{options.port}"
    asked = (options.bundle, columns, options.workers)
    first = predictor_rate(*asked, 10.0)
    service = served(options)
    try:
        asyncio.run(ready(address))
        asyncio.run(closed(address, requests, 3.0))
        every = asyncio.run(closed(address, requests, options.seconds))
        print(f"Predictor, {options.workers} process(es): {first:.0f} sources/s")
        told(f"{CLIENTS} closed clients", every, options.seconds, first)
        goodputs = []
        for share in options.shares:
            per_second = share * first / SOURCES
            every = asyncio.run(poisson(address, requests, per_second, options.open_seconds))
            name = f"Poisson, {share:.0%} of the Predictor"
            goodputs.append(told(name, every, options.open_seconds, first))
        if goodputs:
            knee = max(goodputs)
            print(f"knee: {knee:.0f} sources/s in time, {knee / first:.0%} of the Predictor")
    finally:
        service.terminate()
        service.wait(30)
    print(f"Predictor again: {predictor_rate(*asked, 10.0):.0f} sources/s")


if __name__ == "__main__":
    main()
