"""Ray Train: training on many workers, with checkpoints that outlive them.

Only this file and tuning.py import ray.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs
import ray
import ray.train
from ray.exceptions import RayError
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.queue import Empty, Queue

LONGEST_PLACE = 36
"""Bytes of a directory below which the names of Ray's sockets stay within a system's 107."""

SHORT_PLACES = ("/tmp", "/var/tmp", "/dev/shm")

HEAD_PATIENCE = 5.0
"""Seconds after which a Ray head that was asked whether it is there counts as away."""

HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""What a client of a Ray head says first; a head answers at once."""

FINISHED = "finished"
"""A run that ended well leaves this file in its storage, so that it is never resumed."""

Report = Mapping[str, Any]
Save = Callable[[Path], None]
Loop = Callable[[Mapping[str, Any], Path | None], Iterator[tuple[Report, Save]]]
"""What a worker runs: settings and a checkpoint to resume from, or None, to reports.

With each report comes a function that writes the checkpoint into an empty directory.
"""


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """Who trains, and where checkpoints are kept.

    num_workers: processes of data-parallel training; a cluster is found by RAY_ADDRESS
    cpus_per_worker: cores, and threads, of each
    use_gpu: one GPU for each
    storage: directory or URI of the checkpoints; every worker must reach it
    num_checkpoints: how many are kept
    max_failures: lost workers after which the run is given up; each resumes the last checkpoint
    poll_interval: seconds between looks at the workers; a report waits for the next one
    trials_at_once: trainings of a search side by side; they share the cores and GPUs evenly
    """

    num_workers: int
    cpus_per_worker: int
    use_gpu: bool
    storage: str
    num_checkpoints: int
    max_failures: int
    poll_interval: float
    trials_at_once: int = 1

    def __post_init__(self) -> None:
        for name in ("num_workers", "cpus_per_worker", "num_checkpoints", "trials_at_once"):
            if getattr(self, name) < 1:
                raise ValueError(f"cluster.{name} is {getattr(self, name)}, expected 1 or more")


def train(
    loop: Loop,
    settings: Mapping[str, Any],
    config: ClusterConfig,
    *,
    name: str,
    last_checkpoint: Path,
) -> Iterator[Report]:
    """Run ``loop`` on the workers; give its reports as they come; leave the last checkpoint.

    name: of the run in the storage: a digest of all that the result depends on. An unfinished
        run of that name is resumed, a finished one is removed and done anew.
    Raises ValueError with the workers' own sentence where they raised one.
    """
    storage = storage_of(config.storage)
    _remove_finished(storage, name)
    with connected(config):
        reports = Queue()
        trainer = _trainer(loop, settings, config, name, storage, reports)
        thread = ThreadPoolExecutor(max_workers=1)
        result = thread.submit(trainer.fit)
        try:
            while not result.done():
                yield from _arrived(reports, wait=0.2)
            yield from _arrived(reports, wait=0.0)
            _fetch(_checkpoint(result), last_checkpoint)
        finally:
            thread.shutdown(wait=False)
            reports.shutdown(force=True)
    _mark_finished(storage, name)


def is_cut_off(config: ClusterConfig, name: str) -> bool:
    """Whether a run of that name was begun and did not end well: ``train`` resumes it."""
    filesystem, path = filesystem_of(storage_of(config.storage), name)
    begun, finished = filesystem.get_file_info([path, f"{path}/{FINISHED}"])
    missing = pyarrow.fs.FileType.NotFound
    return bool(begun.type != missing and finished.type == missing)


class _Forward(ray.train.UserCallback):  # type: ignore[misc]
    """Hands the first worker's report to the process that asked for the training."""

    def __init__(self, reports: Queue) -> None:
        self.reports = reports

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Checkpoint | None
    ) -> None:
        self.reports.put(metrics[0])


def _worker(settings: dict[str, Any]) -> None:
    """One worker: the loop, and a report with a checkpoint after each of its rounds."""
    resume = ray.train.get_checkpoint()
    is_first = ray.train.get_context().get_world_rank() == 0
    with resume.as_directory() if resume else nullcontext(None) as resume_from:
        loop = settings["loop"](settings["settings"], resume_from and Path(resume_from))
        try:
            for report, save in loop:
                with tempfile.TemporaryDirectory() as directory:
                    if is_first:
                        save(Path(directory))
                    checkpoint = Checkpoint.from_directory(directory) if is_first else None
                    ray.train.report(dict(report), checkpoint=checkpoint)
        except ValueError as error:  # it would come again: end the run instead of resuming it
            settings["reports"].put(error)
            raise


def _trainer(
    loop: Loop,
    settings: Mapping[str, Any],
    config: ClusterConfig,
    name: str,
    storage: str,
    reports: Queue,
) -> TorchTrainer:
    return TorchTrainer(
        _worker,
        train_loop_config={"loop": loop, "settings": dict(settings), "reports": reports},
        scaling_config=ScalingConfig(
            num_workers=config.num_workers,
            use_gpu=config.use_gpu,
            resources_per_worker={"CPU": config.cpus_per_worker}
            | ({"GPU": 1} if config.use_gpu else {}),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage,
            checkpoint_config=CheckpointConfig(num_to_keep=config.num_checkpoints),
            # Without a limit of its own the controller is started again for ever.
            failure_config=FailureConfig(
                max_failures=config.max_failures, controller_failure_limit=2
            ),
            callbacks=[_Forward(reports)],
        ),
    )


@contextmanager
def connected(config: ClusterConfig) -> Iterator[None]:
    """A Ray cluster: the one at RAY_ADDRESS, or one of this machine for the time of the block."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", str(config.poll_interval))
    # Threads that spin while they wait make a step four times longer where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("RAY_worker_niceness", "0")  # of 15 by default: training is the job
    # Of 60 by default, too few where a worker's imports wait for cores that others have.
    os.environ.setdefault("RAY_worker_register_timeout_seconds", "600")
    check_head()
    own = {} if os.environ.get("RAY_ADDRESS") else _own_cluster(config)
    with _temporary_files(own.get("_temp_dir")):
        ray.init(log_to_driver=False, logging_level="ERROR", **own)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _temporary_files(place: str | None) -> Iterator[None]:
    """Let what is started in the block, Ray's dashboard among it, keep its sockets at a place."""
    usual = os.environ.get("TMPDIR")
    if place is not None:
        Path(place).mkdir(exist_ok=True)
        os.environ["TMPDIR"] = place
    try:
        yield
    finally:
        if place is not None and usual is not None:
            os.environ["TMPDIR"] = usual


def check_head() -> None:
    """Raise ValueError where RAY_ADDRESS names a host and a port at which no Ray head answers."""
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():  # "auto", "local": Ray looks on this machine, and says so
        return
    where = (host.strip("[]"), int(port))
    try:
        with socket.create_connection(where, timeout=HEAD_PATIENCE) as asked:
            if os.environ.get("RAY_USE_TLS", "0") != "1":
                asked.sendall(HTTP2_GREETING)
                if not asked.recv(1):
                    raise OSError("what listens there is no Ray head")
    except OSError as error:
        raise ValueError(
            f"the Ray head at RAY_ADDRESS={address} does not answer ({error}): start it, set "
            "RAY_ADDRESS to where it is, or unset it to train on this machine alone"
        ) from None


def _own_cluster(config: ClusterConfig) -> dict[str, Any]:
    # The workers' cores are promised by the parameters, be there as many or not; nothing large
    # passes through the object store.
    cores = config.num_workers * config.cpus_per_worker
    own = {"num_cpus": cores, "object_store_memory": 200_000_000}
    place = _short_place()
    return own if place is None else own | {"_temp_dir": place}


def _short_place() -> str | None:
    """A directory for Ray's sockets where that of temporary files has too long a name.

    Raises ValueError where there is none.
    """
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) <= LONGEST_PLACE:
        return None
    for place in SHORT_PLACES:
        if os.access(place, os.W_OK | os.X_OK):
            return f"{place}/ojala-ray-{os.getuid()}"
    raise ValueError(
        f"TMPDIR is {usual}, of {len(os.fsencode(usual))} bytes: the sockets of Ray need a "
        f"directory of at most {LONGEST_PLACE}; set TMPDIR to a shorter one"
    )


def _arrived(reports: Queue, wait: float) -> Iterator[Report]:
    """Reports that are there, after waiting for the first; raises what a worker could not mend."""
    try:
        while True:
            report = reports.get(block=wait > 0, timeout=wait or None)
            if isinstance(report, ValueError):
                raise report
            yield report
    except Empty:
        return


def _checkpoint(result: Future[Any]) -> Checkpoint:
    try:
        return result.result().checkpoint
    except (RayError, TrainingFailedError) as error:
        raise ValueError(f"training failed: {str(error).strip().splitlines()[-1]}") from error


def storage_of(storage: str) -> str:
    """The storage as Ray takes it: a URI, or a full path."""
    return storage if "://" in storage else str(Path(storage).resolve())


def filesystem_of(storage: str, *parts: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The filesystem of a storage, and the path of something in it."""
    filesystem, path = pyarrow.fs.FileSystem.from_uri(storage)
    return filesystem, "/".join([path, *parts])


def _remove_finished(storage: str, name: str) -> None:
    filesystem, marker = filesystem_of(storage, name, FINISHED)
    if filesystem.get_file_info(marker).type != pyarrow.fs.FileType.NotFound:
        filesystem.delete_dir(marker.removesuffix(f"/{FINISHED}"))


def _mark_finished(storage: str, name: str) -> None:
    filesystem, marker = filesystem_of(storage, name, FINISHED)
    filesystem.open_output_stream(marker).close()


def _fetch(checkpoint: Checkpoint, directory: Path) -> None:
    """Copy a checkpoint from the storage to ``directory``, in place of what was there."""
    if directory.exists():
        shutil.rmtree(directory)
    checkpoint.to_directory(str(directory))
