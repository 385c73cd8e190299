"""Manifests of Kubernetes as they are rendered, and what is wrong with them.

Kinds of Kubernetes itself are held to its own schemas, strictly. Of KubeRay's and of Prometheus'
kinds the fields are listed here; the pods in them are held to Kubernetes' schema of a pod.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

VERSION = "1.34"
OWN_IMAGES = ("ojala-train-cpu", "ojala-train-gpu", "ojala-serve", "ojala-registry")
SECRETS = {"clients", "registry", "s3", "mlflow-auth", "service-keys"}
"""What docs/cluster.md makes of the files that hold the passwords."""

TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
ANY = {"type": "object"}


def closed(required=(), **fields):
    """A mapping with these fields and no others."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def several(kind):
    return {"type": "array", "items": kind, "minItems": 1}


GROUP = {"rayStartParams": TEXTS, "template": ANY}
CLUSTER = closed(
    ["headGroupSpec"],
    rayVersion=TEXT,
    authOptions=closed(mode={"enum": ["disabled", "token"]}, secretName=TEXT),
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=closed(
        idleTimeoutSeconds=NUMBER,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        resources=ANY,
        securityContext=ANY,
        image=TEXT,
    ),
    suspend=FLAG,
    headGroupSpec=closed(
        ["rayStartParams", "template"], serviceType=TEXT, enableIngress=FLAG, **GROUP
    ),
    workerGroupSpecs=several(
        closed(
            ["groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"],
            groupName=TEXT,
            replicas=NUMBER,
            minReplicas=NUMBER,
            maxReplicas=NUMBER,
            numOfHosts=NUMBER,
            **GROUP,
        )
    ),
)
ENDPOINTS = several(
    closed(["port"], port=TEXT, path=TEXT, interval=TEXT, authorization=closed(credentials=TEXTS))
)
RULE = closed(["expr"], alert=TEXT, record=TEXT, expr=TEXT, labels=TEXTS, annotations=TEXTS)
RULE["properties"]["for"] = TEXT
SPECS = {
    ("ray.io/v1", "RayCluster"): CLUSTER,
    ("ray.io/v1", "RayJob"): closed(
        ["entrypoint"],
        entrypoint=TEXT,
        clusterSelector=TEXTS,
        rayClusterSpec=CLUSTER,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        runtimeEnvYAML=TEXT,
        entrypointNumCpus={"type": "number"},
        activeDeadlineSeconds=NUMBER,
        backoffLimit=NUMBER,
        shutdownAfterJobFinishes=FLAG,
        ttlSecondsAfterFinished=NUMBER,
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): closed(
        ["selector", "endpoints"], jobLabel=TEXT, selector=ANY, endpoints=ENDPOINTS
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): closed(
        ["selector", "podMetricsEndpoints"], selector=ANY, podMetricsEndpoints=ENDPOINTS
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): closed(
        ["groups"], groups=several(closed(["name", "rules"], name=TEXT, rules=several(RULE)))
    ),
}


def rendered(place):
    """What `kubectl kustomize` writes for a directory; a file as it is."""
    if place.is_file():
        return [YAML(typ="safe").load(place)]
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    done = subprocess.run(["kubectl", "kustomize", place], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return list(YAML(typ="safe").load_all(done.stdout))


def faults(place):
    """What is wrong with the manifests of a directory, a sentence each."""
    try:
        documents = rendered(Path(place))
    except ValueError as error:
        return [str(error)]
    found = [fault for one in documents for fault in schema_faults(one)]
    if found:
        return found
    pods = {name: pod for one in documents for name, pod in pods_of(one)}
    found = [f"{name}: {fault}" for name, pod in pods.items() for fault in pod_faults(pod)]
    return found + list(loose_ends(documents, pods))


def schema_faults(document):
    """Of one document, against the schema of its kind."""
    jsonschema = pytest.importorskip("jsonschema")
    kubernetes = pytest.importorskip("kubernetes_validate")
    kind = document["apiVersion"], document["kind"]
    own = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "a"}}
    try:
        if kind in SPECS:
            whole = closed(apiVersion=TEXT, kind=TEXT, metadata=ANY, spec=SPECS[kind])
            jsonschema.validate(document, whole)
            for _, pod in pods_of(document):
                kubernetes.validate(own | {"template": pod}, VERSION, strict=True)
        else:
            kubernetes.validate(document, VERSION, strict=True)
    except Exception as error:  # each checker has its own
        yield f"{kind[1]} {document['metadata']['name']}: {type(error).__name__}: {error}"


def pods_of(document):
    """Templates of pods with their names, wherever in a document."""
    spec, name = document.get("spec", {}), document["metadata"]["name"]
    if document["kind"] == "RayCluster":
        yield f"{name}-head", spec["headGroupSpec"]["template"]
        for group in spec["workerGroupSpecs"]:
            yield f"{name}-{group['groupName']}", group["template"]
    elif "template" in spec:
        yield name, spec["template"]


def pod_faults(pod):
    """What the house asks of a pod beyond its schema."""
    spec = pod["spec"]
    around = spec.get("securityContext", {})
    if not around.get("runAsNonRoot") or not around.get("runAsUser"):
        yield "may run as root"
    for one in spec["containers"]:
        own = one.get("securityContext", {})
        rises = own.get("allowPrivilegeEscalation") is not False
        if rises or not own.get("readOnlyRootFilesystem"):
            yield "may write to its image, or become another user"
        if own.get("capabilities") != {"drop": ["ALL"]}:
            yield "keeps capabilities"
        asked = one.get("resources", {})
        requests, limits = asked.get("requests", {}), asked.get("limits", {})
        if not {"cpu", "memory"} <= set(requests) or "memory" not in limits:
            yield "does not say what it takes"
        name, _, tag = one["image"].rpartition(":")
        if not (name in OWN_IMAGES if tag == "latest" else re.fullmatch(r"v?\d+[\w.-]*", tag)):
            yield f"image {one['image']} is neither pinned nor one of ours"
        mounted = {volume["name"] for volume in one.get("volumeMounts", ())}
        claims = spec.get("volumes", [])
        unknown = mounted - {volume["name"] for volume in claims} - {"data"}
        if unknown:
            yield f"mounts {sorted(unknown)}, which there are not"


def loose_ends(documents, pods):
    """Names that lead nowhere: of secrets, and of labels by which pods are chosen."""
    text = str([pod["spec"] for pod in pods.values()])
    named = set(re.findall(r"'secretRef': \{'name': '([\w-]+)'", text))
    named |= set(re.findall(r"'secretKeyRef': \{[^}]*'name': '([\w-]+)'", text))
    named |= set(re.findall(r"'secretName': '([\w-]+)'", text))
    if named - SECRETS:
        yield f"secrets {sorted(named - SECRETS)} are not made by docs/cluster.md"
    labels = [pod.get("metadata", {}).get("labels", {}) for pod in pods.values()]
    clusters = [one["metadata"]["name"] for one in documents if one["kind"] == "RayCluster"]
    labels += [{"ray.io/cluster": name} for name in clusters]
    for one in documents if pods else ():
        for selector in selectors(one.get("spec", {})):
            if not any(selector.items() <= have.items() for have in labels):
                yield f"{one['kind']} {one['metadata']['name']}: no pod has {selector}"
    names = {(one["kind"], one["metadata"]["name"]) for one in documents}
    for one in documents:
        aim = one.get("spec", {}).get("scaleTargetRef")
        if aim and (aim["kind"], aim["name"]) not in names:
            yield f"{one['metadata']['name']} scales {aim['name']}, which there is not"


def selectors(spec):
    """Labels by which a document chooses pods of this namespace."""
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key in ("podSelector", "selector", "labelSelector") and isinstance(value, dict):
                chosen = value.get("matchLabels", {} if key == "podSelector" else value)
                if all(isinstance(label, str) for label in chosen.values()):
                    yield chosen
            else:
                yield from selectors(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from selectors(value)
