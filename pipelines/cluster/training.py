"""Ray Train: training on many workers, with checkpoints that outlive them.

Only this file and tuning.py import ray.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any

import ray
import ray.train
from ray.exceptions import RayError
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ojala.training.checkpoint import UnreadableError
from ojala.vocabulary.directory import VARIABLE
from pipelines.cluster import storage

LONGEST_PLACE = 36
"""Bytes of a directory below which the names of Ray's sockets stay within a system's 107."""

SHORT_PLACES = ("/tmp", "/var/tmp", "/dev/shm")

HEAD_PATIENCE = 5.0
"""Seconds after which a Ray head that was asked whether it is there counts as away."""

HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""What a client of a Ray head says first; a head answers at once."""

REPORTS = "reports.json"
"""File of a checkpoint: the reports up to it."""

ENDED = 128 + signal.SIGTERM
ENDS = "SIGTERM: the training ends, its checkpoint is kept, and the same command goes on from it"
"""Exit code of a training that was asked to end, and what it says."""

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

    name: of the training in the storage: a digest of all that the result depends on. An
        unfinished one of that name is resumed, one marked by ``storage.finish`` done anew.
    Of one that was cut off all reports before are given again.
    After SIGTERM the next report, whose checkpoint is stored by then, is the last: SystemExit.
    Raises ValueError with the workers' own sentence where they raised one.
    """
    storage.begin(config.storage, name)
    with connected(config):
        # Not on a node of the workers, with which it would be lost.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        reports = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        trainer = _trainer(loop, settings, config, name, reports)
        thread = ThreadPoolExecutor(max_workers=1)
        result = thread.submit(trainer.fit)
        try:
            with _ending_asked() as asked:
                for report in _until_done(result, reports):
                    yield report
                    if asked.is_set():
                        print(ENDS, file=sys.stderr)
                        sys.exit(ENDED)
            _fetch(_ended(result).checkpoint, last_checkpoint)
        finally:
            thread.shutdown(wait=False)
            reports.shutdown(force=True)


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
    is_first = ray.train.get_context().get_world_rank() == 0
    told: list[Report] = []
    try:
        for report, save in _rounds(settings, is_first, told):
            told.append(dict(report))
            with tempfile.TemporaryDirectory() as directory:
                if is_first:
                    save(Path(directory))
                    (Path(directory) / REPORTS).write_text(json.dumps(told))
                checkpoint = Checkpoint.from_directory(directory) if is_first else None
                ray.train.report(dict(report), checkpoint=checkpoint)
    except ValueError as error:  # it would come again: end the run instead of resuming it
        settings["reports"].put(error)
        raise


def _rounds(
    settings: Mapping[str, Any], is_first: bool, told: list[Report]
) -> Iterator[tuple[Report, Save]]:
    """The loop from the newest checkpoint that can be read; from its beginning where there is none.

    told: takes the reports before that checkpoint. They are given again: whoever asked for the
    training may have been cut off before the last of them came.
    Raises UnreadableError where there are checkpoints, and none of them can be read.
    """
    newest = ray.train.get_checkpoint()
    if newest is None:
        yield from settings["loop"](settings["settings"], None)
        return
    try:
        yield from _resumed(settings, newest, is_first, told)
    except UnreadableError as error:
        kept = [one.checkpoint for one in ray.train.get_all_reported_checkpoints()]
        older = [one for one in kept if one.path != newest.path]
        if not older:
            raise
        if is_first:
            settings["reports"].put(f"{error}; the training goes on from the one before")
        yield from _resumed(settings, older[-1], is_first, told)


def _resumed(
    settings: Mapping[str, Any], checkpoint: Checkpoint, is_first: bool, told: list[Report]
) -> Iterator[tuple[Report, Save]]:
    with checkpoint.as_directory() as place:
        told[:] = _told(Path(place) / REPORTS)
        for report in told if is_first else ():
            settings["reports"].put(report)
        yield from settings["loop"](settings["settings"], Path(place))


def _told(path: Path) -> list[Report]:
    """The reports that a checkpoint was made after; none of one that is older than they are."""
    if not path.exists():
        return []
    try:
        return list(json.loads(path.read_text()))
    except ValueError as error:
        raise UnreadableError(f"{path}: not a readable checkpoint ({error})") from None


def _trainer(
    loop: Loop,
    settings: Mapping[str, Any],
    config: ClusterConfig,
    name: str,
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
            storage_path=storage.whole(config.storage),
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
    own = _survey_of_workers() if os.environ.get("RAY_ADDRESS") else _own_cluster(config)
    with _temporary_files(own.get("_temp_dir")):
        ray.init(log_to_driver=False, logging_level="ERROR", **own)
    try:
        yield
    finally:
        gc.collect()  # what belongs to a cluster and is collected after it ends the process
        ray.shutdown()


def _survey_of_workers() -> dict[str, Any]:
    """Workers of a cluster that was there before have its environment, not this process's."""
    if not os.environ.get(VARIABLE):
        return {}
    return {"runtime_env": {"env_vars": {VARIABLE: os.environ[VARIABLE]}}}


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
    own = {"address": "local", "num_cpus": cores, "object_store_memory": 200_000_000}
    own |= {"include_dashboard": False}  # a gigabyte, and nobody looks at it
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


@contextmanager
def _ending_asked() -> Iterator[Event]:
    """Whether SIGTERM has come; the second one ends the process at once."""
    asked = Event()
    if current_thread() is not main_thread():  # where no signal can be heard
        yield asked
        return

    def hear(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def _until_done(result: Future[Any], reports: Queue) -> Iterator[Report]:
    """All the reports; where none was left to come, the last one that Ray keeps."""
    last: Report | None = None
    while not result.done():
        for last in _arrived(reports, wait=0.2):
            yield last
    for last in _arrived(reports, wait=0.0):
        yield last
    if last is None:
        yield dict(_ended(result).metrics)


def _arrived(reports: Queue, wait: float) -> Iterator[Report]:
    """Reports that are there, after waiting for the first; raises what a worker could not mend."""
    try:
        while True:
            report = reports.get(block=wait > 0, timeout=wait or None)
            if isinstance(report, ValueError):
                raise report
            if isinstance(report, str):  # what a worker has to say
                print(report, file=sys.stderr)
                continue
            yield report
    except Empty:
        return


def _ended(result: Future[Any]) -> Any:
    try:
        return result.result()
    except (RayError, TrainingFailedError) as error:
        raise ValueError(f"training failed: {str(error).strip().splitlines()[-1]}") from error


def _fetch(checkpoint: Checkpoint, directory: Path) -> None:
    """Copy a checkpoint from the storage to ``directory``, in place of what was there."""
    if directory.exists():
        shutil.rmtree(directory)
    checkpoint.to_directory(str(directory))
