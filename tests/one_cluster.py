"""One cluster of Ray at a time, however many tests run side by side: two starve each other.

A lock, since xdist 3.8 does not see its groups in the node ids of pytest 9.
"""

import fcntl
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_cluster():
    """Wait until no other test of this machine has one."""
    with (Path(tempfile.gettempdir()) / "ojala-tests-ray.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
