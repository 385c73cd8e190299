"""How each file below infra/ is checked: from its path to what is wrong, "" if nothing."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
OWN_SECRETS = "secrets/"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:-[^}]*)?\}")


def told(*words, **settings):
    """What a checker says of a mistake; the test is skipped where there is no such checker."""
    if shutil.which(words[0]) is None:
        pytest.skip(f"needs {words[0]}")
    done = subprocess.run(words, capture_output=True, text=True, **settings)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}" or "refused"


def read(path):
    return YAML(typ="safe").load(Path(path))


def settings(path):
    """NAME=VALUE of stack.env."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


def compose(path):
    """The schema of compose, and what it does not see: names that lead nowhere."""
    wrong = told("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(path))
    if wrong:
        return wrong
    stack, text = read(path), path.read_text()
    faults = [
        f"{name} is not in infra/stack.env"
        for name, default in VARIABLE.findall(text)
        if not default and name not in settings(ROOT / "infra" / "stack.env")
    ]
    used = set()
    for name, service in stack["services"].items():
        faults += [f"{name}: {fault}" for fault in service_faults(service, stack)]
        used |= {
            one if isinstance(one, str) else one["source"] for one in service.get("secrets", ())
        }
    faults += [f"secret {name} is not used" for name in set(stack["secrets"]) - used]
    faults += [
        f"secret {name} is in the repository"
        for name, secret in stack["secrets"].items()
        if not secret["file"].startswith(f"./{OWN_SECRETS}")
    ]
    open_to_all = [name for name, service in stack["services"].items() if "ports" in service]
    if open_to_all != ["proxy"]:
        faults.append(f"{open_to_all} publish ports, expected the proxy alone")
    return "\n".join(faults)


def service_faults(service, stack):
    """What is wrong with one service of compose."""
    for secret in service.get("secrets", ()):
        name = secret if isinstance(secret, str) else secret["source"]
        if name not in stack["secrets"]:
            yield f"there is no secret {name}"
    for other, how in dict(service.get("depends_on", {})).items():
        if other not in stack["services"]:
            yield f"there is no service {other}"
        elif (
            how["condition"] == "service_healthy" and "healthcheck" not in stack["services"][other]
        ):
            yield f"{other} has no health check"
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith("."):
            if source.startswith("./") and not (ROOT / "infra" / "compose" / source).is_file():
                yield f"there is no file {source}"
        elif source not in stack["volumes"]:
            yield f"there is no volume {source}"
    image = VARIABLE.sub(lambda found: found[2][2:], service["image"])
    own = re.fullmatch(r"ojala-([\w-]+):latest", image)
    if own and f" AS {own[1]}\n" not in (ROOT / "Dockerfile").read_text():
        yield f"the Dockerfile has no target {own[1]}"
    if not own and not re.search(r":v?\d+\.?\d*", image):
        yield f"{image} is not pinned"
    for name, value in dict(service.get("environment", {})).items():
        if re.search("PASSWORD|SECRET|KEY", name) and not str(value).startswith("/run/secrets/"):
            yield f"{name} is no file of /run/secrets"


def prometheus(path):
    return told("promtool", "check", "config", "--syntax-only", str(path))


def rules(path):
    return told("promtool", "check", "rules", str(path))


def rule_tests(path):
    """The tests of the rules beside it, or of ours where it is a copy."""
    beside = path.with_name("ojala_rules.yaml")
    if not beside.exists():
        shutil.copy(ROOT / "infra" / "prometheus" / beside.name, beside)
    return told("promtool", "test", "rules", str(path))


def alertmanager(path):
    config = read(path)
    names = {receiver["name"] for receiver in config["receivers"]}
    hooks = [hook for one in config["receivers"] for hook in one.get("webhook_configs", ())]
    secret = all(set(hook) == {"url_file", "send_resolved"} for hook in hooks)
    return "" if config["route"]["receiver"] in names and hooks and secret else "no receiver"


def proxy(path):
    """Routers with TLS whose services and middlewares there are."""
    config = read(path)
    http = config["http"]
    faults = []
    for name, router in http["routers"].items():
        if "tls" not in router or router["entryPoints"] != ["tls"]:
            faults.append(f"{name} is not by TLS")
        if router["service"] not in http["services"]:
            faults.append(f"{name} leads nowhere")
        faults += [
            f"{name}: no middleware {one}"
            for one in router.get("middlewares", ())
            if one not in http["middlewares"]
        ]
    return "\n".join(faults)


def provisioning(path):
    """Grafana's own: version, and either data sources or providers with a name and a type."""
    config = read(path)
    entries = config.get("datasources", config.get("providers"))
    whole = config["apiVersion"] == 1 and entries
    return "" if whole and all({"name", "type"} <= set(one) for one in entries) else "not whole"


def dashboard(path):
    found = json.loads(path.read_text())
    return "" if found.get("title") and found.get("panels") else "no title, or no panels"


def script(path):
    first = path.read_text().splitlines()[0]
    if not first.startswith("#!/bin/") or not path.stat().st_mode & 0o111:
        return "not a script that can be run"
    return told(first.removeprefix("#!/bin/"), "-n", str(path))


def environment(path):
    found = settings(path)
    wrong = [
        name
        for name, value in found.items()
        if not re.fullmatch("[A-Z0-9_]+", name)
        or not value
        or (re.search("PORT|CPUS|WORKERS", name) and not value.isdigit())
        or re.search("PASSWORD|SECRET|KEY", name)
    ]
    ports = [value for name, value in found.items() if name.endswith("PORT")]
    return ", ".join(wrong) or ("" if len(set(ports)) == len(ports) else "two share a port")
