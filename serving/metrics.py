"""What is counted for Prometheus, over all processes of the server (docs/service.md)."""

from __future__ import annotations

import math
from collections import Counter

import bentoml
import numpy as np

from ojala.catalogue.drift import Told
from ojala.gate.shadow import Compared
from ojala.model.shown import Shown
from ojala.tables.shards import Columns
from ojala.vocabulary.bands import bands
from ojala.vocabulary.quantities import vocabulary

sources_predicted = bentoml.metrics.Counter(
    "ojala_sources", "Sources predicted, by the class that they were given", ["spectype", "version"]
)
sources_unanswered = bentoml.metrics.Counter(
    "ojala_sources_unanswered", "Sources that could not be answered, by the reason", ["reason"]
)
sources_per_request = bentoml.metrics.Histogram(
    "ojala_sources_per_request",
    "Sources of one request",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000),
)
sources_per_batch = bentoml.metrics.Histogram(
    "ojala_sources_per_batch",
    "Sources that were answered together, of one request or several",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000),
)
prediction_seconds = bentoml.metrics.Histogram(
    "ojala_prediction_seconds",
    "Time that the model took for the batch that a request was answered in",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60),
)
bands_missing = bentoml.metrics.Counter(
    "ojala_band_missing", "Answered sources that came without a band", ["band"]
)
stated_errors = bentoml.metrics.Counter(
    "ojala_stated_errors",
    "Answers by the size of their 1 sigma: the bin up to which it reaches, +Inf the last",
    ["quantity", "up_to"],
)
switches = bentoml.metrics.Counter(
    "ojala_switches", "Versions that began to answer while the service ran", ["version"]
)
switches_refused = bentoml.metrics.Counter(
    "ojala_switches_refused", "Versions that were to answer and failed their check", ["version"]
)
version_refused = bentoml.metrics.Gauge(
    "ojala_version_refused",
    "1 while the alias names a version that failed its check, so that another one answers",
    ["version"],
    multiprocess_mode="mostrecent",
)
registry_failures = bentoml.metrics.Counter(
    "ojala_registry_failures", "Times that the registry could not be asked where the alias is"
)
version_served = bentoml.metrics.Gauge(
    "ojala_version_served",
    "1 for the version that answers, 0 for those that did before",
    ["version", "digest"],
    multiprocess_mode="mostrecent",
)
shadow_requests = bentoml.metrics.Counter(
    "ojala_shadow_requests",
    "Requests that were drawn for the candidate: compared, or dropped for others or another cause;"
    " and those that asked for it by name",
    ["version", "outcome"],
)
shadow_sources = bentoml.metrics.Counter(
    "ojala_shadow_sources", "Sources that the candidate was asked beside the champion", ["version"]
)
shadow_lost = bentoml.metrics.Counter(
    "ojala_shadow_lost", "Of those, sources where the candidate lacked an answer", ["version"]
)
shadow_classes = bentoml.metrics.Counter(
    "ojala_shadow_classes", "Classes of both that were compared", ["version", "outcome"]
)
shadow_redshifts = bentoml.metrics.Counter(
    "ojala_shadow_redshifts",
    "Redshifts of both that were compared: near, or far, beyond 3 sigma of the champion",
    ["version", "outcome"],
)
shadow_seconds = bentoml.metrics.Histogram(
    "ojala_shadow_seconds",
    "Time that the candidate took for the sources of a request, behind all others",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60),
)
shadow_refused = bentoml.metrics.Gauge(
    "ojala_shadow_refused",
    "1 while a candidate that was to stand in the shadow failed its check",
    ["version"],
    multiprocess_mode="mostrecent",
)
sources_outside = bentoml.metrics.Counter(
    "ojala_sources_outside", "Answered sources outside the domain of the reference"
)
drift_window = bentoml.metrics.Gauge(
    "ojala_drift_window_sources",
    "Sources that the window of drift holds",
    multiprocess_mode="mostrecent",
)
drift_mmd = bentoml.metrics.Gauge(
    "ojala_drift_mmd_squared",
    "MMD^2 between the embeddings of the window and of the reference; NaN before it is full",
    multiprocess_mode="mostrecent",
)
drift_mmd_limit = bentoml.metrics.Gauge(
    "ojala_drift_mmd_squared_limit",
    "MMD^2 that a window exceeds as rarely as is stated where nothing drifts",
    multiprocess_mode="mostrecent",
)
drift_stability = bentoml.metrics.Gauge(
    "ojala_drift_stability",
    "Population stability index of a band; NaN where the window has too few values of it",
    ["band"],
    multiprocess_mode="mostrecent",
)
drift_stability_limit = bentoml.metrics.Gauge(
    "ojala_drift_stability_limit",
    "Stability index that a window exceeds as rarely as is stated where nothing drifts",
    ["band"],
    multiprocess_mode="mostrecent",
)

ERROR_EDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Upper edges of the bins of stated errors, each in the unit of its quantity."""


def count_request(num_sources: int, seconds: float) -> None:
    """Count a request that was answered, and the time of the batch that it was answered in."""
    sources_per_request.observe(num_sources)
    prediction_seconds.observe(seconds)


def count(seen: Shown, answers: Columns, version: str) -> None:
    """Count sources that were answered: what was asked, what was missing and what was said."""
    sources_per_batch.observe(len(seen.reason))
    for spectype, number in Counter(filter(None, answers.get("CLASS", ()))).items():
        sources_predicted.labels(spectype=spectype, version=version).inc(number)
    for reason, number in Counter(filter(None, seen.reason)).items():
        sources_unanswered.labels(reason=reason).inc(number)
    is_missing = np.isnan(seen.values[seen.answered])
    for band in bands():
        number = int(is_missing[:, vocabulary().index(band.token)].sum())
        if number:
            bands_missing.labels(band=band.token).inc(number)
    for name, values in answers.items():
        if name.endswith("_ERR"):
            _count_errors(name.removesuffix("_ERR"), values[seen.answered])


def count_shadow(found: Compared, version: str) -> None:
    """Count what came of asking a candidate too."""
    shadow_requests.labels(version=version, outcome="compared").inc(found.requests)
    shadow_sources.labels(version=version).inc(found.sources)
    shadow_lost.labels(version=version).inc(found.lost)
    shadow_seconds.observe(found.seconds)
    for counter, outcome, number in (
        (shadow_classes, "changed", found.class_changes),
        (shadow_classes, "same", found.classed - found.class_changes),
        (shadow_redshifts, "far", found.far),
        (shadow_redshifts, "near", found.redshifts - found.far),
    ):
        counter.labels(version=version, outcome=outcome).inc(number)


def tell_drift(told: Told | None, num_sources: int) -> None:
    """Say how many sources a window holds, and what it tells; None before it is full."""
    drift_window.set(num_sources)
    drift_mmd.set(told.mmd_squared if told else math.nan)
    drift_mmd_limit.set(told.mmd_squared_limit if told else math.nan)
    for place, band in enumerate(bands()):
        index, limit = math.nan, math.nan
        if told:
            index, limit = told.stability[place], told.stability_limit[place]
        drift_stability.labels(band=band.token).set(index)
        drift_stability_limit.labels(band=band.token).set(limit)


def _count_errors(quantity: str, errors: np.ndarray) -> None:
    """Count stated errors of a quantity, (num_answered,), by their bins."""
    places = np.searchsorted(ERROR_EDGES, errors[np.isfinite(errors)])
    for place, number in enumerate(np.bincount(places)):
        if number:
            up_to = str(ERROR_EDGES[place]) if place < len(ERROR_EDGES) else "+Inf"
            stated_errors.labels(quantity=quantity, up_to=up_to).inc(int(number))
