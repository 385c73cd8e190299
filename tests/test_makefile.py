"""What a target says when it cannot do its work."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_ui_without_a_port_is_one_sentence_and_a_failure():
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        done = subprocess.run(
            ["make", "--old-file", ".venv/.installed", "--no-print-directory", "ui"],
            cwd=ROOT,
            env=os.environ | own | {"PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode != 0 and not done.stdout
    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith(f"make ui: nothing can listen on port {port}, it is taken")
    assert all("Error" in line for line in rest)  # make's own
