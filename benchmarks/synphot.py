"""Synthetic photometry against speclite, on one block of spectra with one set of curves.

python benchmarks/synphot.py [--spectra 2000] [--repeats 7]

Prints spectra per second of processor time on one thread, so that other work on the machine counts
little, best of the repeats, and the ratio to speclite's own loop over bands, which knows no errors.
"missing" has one pixel in a thousand without data.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import astropy.units as u
import numpy as np
from speclite.filters import FilterResponse, FilterSequence

from ojala.physics.responses import packaged
from ojala.physics.synphot import FLUX_UNIT, ab_mag, prepare, synthesize
from ojala.surveys.desi.arms import WAVE
from ojala.vocabulary.bands import narrow_bands

TOKENS = (*(band.token for band in narrow_bands()), "MAG_i")


def speclite_sequence():
    curves = packaged()
    return FilterSequence(
        [
            FilterResponse(
                curves[token].wave,
                curves[token].throughput,
                {"group_name": "ojala", "band_name": token},
            )
            for token in TOKENS
        ]
    )


def seconds(ways, repeats):
    """The shortest of several runs of each way; the ways take turns, so that all share the load."""
    shortest = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, work in ways.items():
            start = time.process_time()
            work()
            shortest[name] = min(shortest[name], time.process_time() - start)
    return shortest


def spectra(num_spectra):
    """Noisy power laws in single precision, their inverse variance, and one with gaps."""
    rng = np.random.default_rng(1)
    flux = 5 * (WAVE / 6000) ** rng.uniform(-2, 1, (num_spectra, 1))
    flux = (flux + rng.standard_normal(flux.shape)).astype(np.float32)
    ivar = rng.uniform(0.5, 2, flux.shape).astype(np.float32)
    return flux, ivar, np.where(rng.random(flux.shape) < 1e-3, np.float32(0), ivar)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    flux, ivar, gaps = spectra(arguments.spectra)
    matrix = prepare(WAVE, packaged(), TOKENS)
    sequence, with_unit = speclite_sequence(), flux * (FLUX_UNIT * u.erg / u.s / u.cm**2 / u.AA)
    dense = np.zeros((len(WAVE), len(TOKENS)), np.float32)
    for column, (pixels, weights) in enumerate(zip(matrix.pixels, matrix.weights, strict=True)):
        dense[pixels, column] = weights
    ways = {
        "speclite, no errors": lambda: sequence.get_ab_maggies(with_unit, WAVE * u.AA),
        "dense product, no errors": lambda: flux @ dense,
        "synthesize, no errors": lambda: synthesize(flux, None, matrix),
        "synthesize, errors": lambda: synthesize(flux, ivar, matrix),
        "synthesize, errors, missing": lambda: synthesize(flux, gaps, matrix, min_coverage=0.9),
        "reading flux and ivar": lambda: (flux.sum(), ivar.sum()),
    }
    print(f"{arguments.spectra} spectra of {len(WAVE)} pixels, {len(TOKENS)} bands")
    shortest = seconds(ways, arguments.repeats)
    for name, taken in shortest.items():
        rate, ratio = arguments.spectra / taken, shortest["speclite, no errors"] / taken
        print(f"{name:28s} {rate:10,.0f} spectra/s  {ratio:7.1f} x speclite")
    theirs = np.array([sequence.get_ab_maggies(with_unit, WAVE * u.AA)[n] for n in sequence.names])
    ours = ab_mag(synthesize(flux, None, matrix).flux_lambda, matrix.pivot)
    print(f"largest relative difference {np.abs(10 ** (-0.4 * ours.T) / theirs - 1).max():.1e}")


if __name__ == "__main__":
    main()
