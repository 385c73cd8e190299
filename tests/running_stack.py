"""The stack of `make stack` for a test: on ports of its own, in a directory of its own."""

import os
import random
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.stack import composed, programs
from pipelines.stack.__main__ import environment, prepared
from pipelines.stack.running import Running

needs_stack = [
    pytest.mark.slow,
    pytest.mark.skipif("OJALA_TEST_STACK" not in os.environ, reason="make test-stack starts it"),
]


@contextmanager
def directory_open_to_all():
    """A directory that PostgreSQL's user can go through; those of pytest are closed."""
    with tempfile.TemporaryDirectory(prefix="ojala-tests-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


def free_ports():
    """A free port for each of stack.env; SeaweedFS takes another, higher by ten thousand."""
    names = [name for name in composed.written_settings() if name.endswith("_PORT")]
    found = random.sample([port for port in range(20000, 32000, 10) if is_free(port)], len(names))
    return dict(zip(names, map(str, found), strict=True))


def is_free(port):
    for one in (port, port + 1, port + 2, port + 10000):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", one)) == 0:
                return False
    return True


def skip_without_programs():
    try:
        programs.all_found()
    except ValueError as absent:
        pytest.skip(str(absent))


@contextmanager
def part_of_stack(place, *names, **settings):
    """The stack's processes of some names, running: the stack, and what has them in hand."""
    skip_without_programs()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (free_ports() | settings).items():
            patched.setenv(name, value)
        stack = prepared(place)
        chosen = [one for one in stack.processes() if one.name in names]
        running = Running(chosen, stack.place, environment())
        try:
            running.begin_all()
            yield stack, running
        finally:
            running.stop_all()
            shutil.rmtree(stack.place / "postgres")
