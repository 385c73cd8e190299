"""`make stack`: begin the stack, say how it is used, look after it, and end it on Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from ojala.tables import project
from ojala.tables.faults import sentence
from pipelines.stack import composed, programs
from pipelines.stack.on_loopback import LOOPBACK, Stack
from pipelines.stack.running import LAST_TO_BE_WELL, Running

PLACE = Path(".ojala") / "stack"
PAUSE = 2.0
"""Seconds between looks at the processes."""


def prepared(place: Path) -> Stack:
    """A stack with its passwords and its database made.

    Raises ValueError where a program is absent, or something cannot be made.
    """
    programs.all_found()
    values = composed.settings()
    stack = Stack(place.resolve(), values)
    stack.place.mkdir(parents=True, exist_ok=True)  # PostgreSQL's user goes through it
    user, database = values["POSTGRES_USER"], values["POSTGRES_DB"]
    own = {
        "SECRETS": str(stack.secrets),
        "AUTH_DATABASE": f"postgresql+psycopg2://{user}@{LOOPBACK}/{database}",
    }
    subprocess.run([composed.COMPOSE.parent / "make_secrets"], env=os.environ | own, check=True)
    programs.make_database(stack.place, values, stack.secrets / "postgres_password")
    for process in ("objects", "metrics", "alerts"):
        (stack.place / process).mkdir(exist_ok=True)
    return stack


def environment() -> dict[str, str]:
    """What every process of a stack has: the code and the programs of the project."""
    root = str(composed.INFRA.parent)
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), str(programs.OWN), os.environ.get("PATH", os.defpath)]
    )
    code = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return dict(os.environ) | {"PATH": path, "PYTHONPATH": code}


def _used(stack: Stack) -> str:
    """How commands work on the stack, as lines for a shell; written down for its owner alone."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in stack.client().items()]
    target = stack.place / "environment"
    target.touch(mode=0o600)
    target.write_text("\n".join(lines) + "\n")
    values = stack.values
    shown = {
        "MLflow": f"http://{LOOPBACK}:{values['MLFLOW_PORT']}, user admin",
        "service": f"http://{LOOPBACK}:{values['SERVICE_PORT']}, once a version is registered",
        "Prometheus": f"http://{LOOPBACK}:{values['PROMETHEUS_PORT']}",
        "passwords": str(stack.secrets),
        "to use it": f"source {target}",
    }
    return "\n".join(f"stack: {name:<10}  {what}" for name, what in shown.items())


def main() -> None:
    """Be the stack until Ctrl-C; what goes wrong is one sentence, and exit code 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    running = None
    try:
        stack = prepared(project.find() / PLACE)
        running = Running(stack.processes(), stack.place, environment())
        running.begin_all()
        print(_used(stack), flush=True)
        while True:
            time.sleep(PAUSE)
            for name in running.tend():
                if name != LAST_TO_BE_WELL:
                    print(f"stack: {name} ended, and is begun anew", flush=True)
    except KeyboardInterrupt:
        print("stack: ends", flush=True)
    except (ValueError, OSError) as error:
        sys.exit(f"stack: {sentence(error)}")
    finally:
        if running is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            running.stop_all()


if __name__ == "__main__":
    main()
