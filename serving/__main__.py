"""`make serve`: whether there is a model to serve and a port to serve it on; then BentoML's server.

BentoML restarts a worker that cannot begin, for ever and with a traceback each time: what would
keep it from beginning is told here, in a sentence, before any server starts.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from pathlib import Path

from serving import access, cone_search, settings
from serving.answering import rehearsed
from serving.registered import standing


def main() -> None:
    """Become the server on PORT, by default 3000, or exit 1 with one sentence."""
    try:
        port = _port(os.environ.get("PORT") or "3000")
        host = os.environ["BENTOML_HOST"] = os.environ.get("BENTOML_HOST") or "127.0.0.1"
        _check_free(host, port)
        access.keys_required(host)
        cone_search.served()
        settings.workers(), settings.apart(), settings.follow_seconds(), settings.wait_seconds()
        found = rehearsed(standing())
    except Exception as error:  # whatever it is, each worker would die of it
        sys.exit(f"serve: {str(error).strip().splitlines()[0]}")
    model = found.model
    heads = ", ".join(f"{head.name} {head.version} ({head.state})" for head in found.heads)
    print(f"serve: {model.name}, version {model.version}, digest {model.digest}", flush=True)
    print(f"serve: heads: {heads or 'none'}", flush=True)
    os.environ["BENTOML_HOME"] = str(_home(port))
    server = [sys.executable, "-m", "bentoml", "serve", "serving.service:OjalaService"]
    os.execv(sys.executable, [*server, "--port", str(port)])


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"PORT is {text!r}, expected a number from 1 to 65535")
    return int(text)


def _home(port: int) -> Path:
    """BentoML's directory for this server, which takes away the metrics of any other in it."""
    place = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml") / f"port-{port}"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _check_free(host: str, port: int) -> None:
    """Raise ValueError where nobody can listen on a port."""
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = "is taken"
        if error.errno != errno.EADDRINUSE:
            reason = str(error.strerror).partition(" (")[0]
            why = f"of {host} cannot be had ({reason})"
        another = "choose another, as in `make serve PORT=3001`"
        raise ValueError(f"port {port} {why}; {another}") from None


if __name__ == "__main__":
    main()
