"""An image of buildah's store, run as it says and read-only, without a daemon: needs root."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSIDE = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
test ! -f "$1/etc/hosts" || mount --bind /etc/hosts "$1/etc/hosts"
test -z "$2" || mount --bind "$2" "$1/srv/ojala"
root=$1 user=$3 place=$4
shift 4
exec chroot --userspec="$user:$user" "$root" sh -c 'cd "$0" && exec "$@"' "$place" "$@"
"""


def buildah(*words):
    done = subprocess.run(["buildah", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def build(target, name):
    """Build a target with `make image`."""
    built = subprocess.run(
        ["make", "--no-print-directory", "image", f"TARGET={target}"],
        cwd=ROOT,
        env=os.environ | {"IMAGE": name, "BUILDER": "buildah"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr[-3000:]


def megabytes(image):
    """What the files of an image take."""
    made = buildah("from", "--pull-never", image)
    try:
        told = subprocess.check_output(["du", "-sxm", buildah("mount", made)], text=True)
    finally:
        buildah("rm", made)
    return int(told.split()[0])


@contextmanager
def container(image, project=None):
    """Gives a function from a command and environment to the words that run it in the image."""
    config = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
    made = buildah("from", "--pull-never", image)
    place = buildah("mount", made)

    def words(*command, **environment):
        own = config["Env"] + [f"{name}={value}" for name, value in environment.items()]
        run = [*config.get("Entrypoint", ()), *(command or config["Cmd"])]
        start = ["unshare", "--mount", "sh", "-c", INSIDE, "inside", place, str(project or "")]
        return [*start, config["User"], config["WorkingDir"], "env", "-i", *own, *run]

    try:
        yield words
    finally:
        buildah("umount", made)
        buildah("rm", made)
