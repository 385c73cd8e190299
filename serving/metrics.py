"""What is counted for Prometheus, over all processes of the server (docs/service.md)."""

from __future__ import annotations

import bentoml

sources_predicted = bentoml.metrics.Counter(
    "ojala_sources", "Sources predicted, by the class that they were given", ["spectype", "version"]
)
switches = bentoml.metrics.Counter(
    "ojala_switches", "Versions that began to answer while the service ran", ["version"]
)
switches_refused = bentoml.metrics.Counter(
    "ojala_switches_refused", "Versions that were to answer and failed their check", ["version"]
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
