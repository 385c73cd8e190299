"""Ray Train around a loop: many workers give what one gives, and a killed one costs a report."""

import os
import signal
import sys

import pytest
import ray
import torch
from ray import cloudpickle
from torch import distributed, nn

from pipelines import cluster

EPOCHS, GLOBAL_BATCH = 6, 16
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not see tests/
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


def regression(settings, resume):
    """A loop of data-parallel training of a line; dies once at the epoch of ``die_at``."""
    rank, world = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    first = 0
    if resume is not None:
        state = torch.load(resume / "state.pt", weights_only=True)
        network.load_state_dict(state["network"])
        first = state["epoch"] + 1
    parallel = nn.parallel.DistributedDataParallel(network)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
    for epoch in range(first, EPOCHS):
        x = torch.randn(GLOBAL_BATCH, 3, generator=torch.Generator().manual_seed(epoch))[
            rank::world
        ]
        loss = (parallel(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        distributed.all_reduce(total := loss.detach() / world)
        if rank == 1 and epoch == settings["die_at"] and resume is None:
            os.kill(os.getpid(), signal.SIGKILL)
        if epoch == settings["nan_at"]:
            raise ValueError("the loss term z is not finite")

        def save(directory, epoch=epoch):
            torch.save({"network": network.state_dict(), "epoch": epoch}, directory / "state.pt")

        yield {"epoch": epoch, "loss": float(total), "resumed": resume is not None}, save


@pytest.fixture
def machine():
    """One local cluster for all the runs of a test."""
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.1"
    ray.init(num_cpus=2, log_to_driver=False, object_store_memory=100_000_000)
    yield
    ray.shutdown()


def train(tmp_path, num_workers, die_at=None, nan_at=None, name="run"):
    config = cluster.ClusterConfig(
        num_workers=num_workers,
        cpus_per_worker=1,
        use_gpu=False,
        storage=str(tmp_path / "storage"),
        num_checkpoints=2,
        max_failures=2,
        poll_interval=0.1,
    )
    settings = {"die_at": die_at, "nan_at": nan_at}
    last = tmp_path / f"last-{num_workers}"
    return list(cluster.train(regression, settings, config, name=name, last_checkpoint=last)), last


def test_two_workers_one_killed_give_the_loss_curve_of_one(tmp_path, machine):
    alone, _ = train(tmp_path, 1, name="one")
    assert [report["epoch"] for report in alone] == list(range(EPOCHS))

    reports, last = train(tmp_path, 2, die_at=3, name="two")
    resumed = [report["epoch"] for report in reports if report["resumed"]]
    assert resumed and resumed[0] in (2, 3), "at most one report is lost"
    assert resumed == list(range(resumed[0], EPOCHS))
    curve = {report["epoch"]: report["loss"] for report in reports}
    assert [curve[epoch] for epoch in range(EPOCHS)] == pytest.approx(
        [report["loss"] for report in alone], rel=1e-5
    )
    assert torch.load(last / "state.pt", weights_only=True)["epoch"] == EPOCHS - 1

    # A finished run is done anew, not resumed; what cannot be mended ends it at once.
    with pytest.raises(ValueError, match="the loss term z is not finite"):
        train(tmp_path, 1, nan_at=2, name="one")
