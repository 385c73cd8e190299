"""`make serve` as a process of its own, asked over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = ("OJALA_ALIAS", "OJALA_BUNDLE", "OJALA_HEADS", "OJALA_WORKERS")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def asked(address, body=None, timeout=60, **headers):
    """Status and JSON of an answer, over a connection of its own: any worker may take it."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Connection": "close"} | headers
    request = urllib.request.Request(address, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read() or "null")


def wait_until(holds, seconds=60):
    """Wait for something to hold; fail where it does not within some seconds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to hold"
        time.sleep(0.05)


@contextmanager
def server(log, command=("-m", "serving"), place=ROOT, key=None, **environment):
    """The address of a server on the loopback; ``log`` holds what it says.

    command: for Python, begun in ``place``; {port} in it is the port; key: where one is needed
    """
    port = free_port()
    known = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    known |= {"PORT": str(port), "BENTOML_HOST": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    known |= {name: str(value) for name, value in environment.items()}
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *(word.format(port=port) for word in command)],
            env=known,
            cwd=place,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or _is_ready(address, key), 300)
        assert process.poll() is None, log.read_text()
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_ready(address, key):
    shown = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        return asked(f"{address}/health", timeout=5, **shown)[0] == 200
    except (OSError, ValueError):
        return False
