"""A checkpoint is a copy, whole or not there, and readable without pickled code."""

import pytest
import torch
from torch import nn

from ojala.training.checkpoint import TrainState, UnreadableError, captured


@pytest.fixture
def trained():
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    step(module, [optimizer])
    return module, [optimizer]


def step(module, optimizers):
    module(torch.ones(1, 3)).sum().backward()
    optimizers[0].step()


def test_a_state_does_not_move_when_the_training_goes_on(trained):
    state = captured(1, *trained)
    weight = state.objective["weight"].clone()
    moment = state.optimizers[0]["state"][0]["exp_avg"].clone()
    step(*trained)
    assert torch.equal(state.objective["weight"], weight)
    assert torch.equal(state.optimizers[0]["state"][0]["exp_avg"], moment)
    assert not torch.equal(trained[0].weight, weight)


def test_written_and_read_back_is_the_same(trained, tmp_path):
    state = captured(3, *trained)
    state.write(tmp_path / "state.pt")
    again = TrainState.read(tmp_path / "state.pt")
    assert again.epoch == 3
    assert torch.equal(again.objective["weight"], state.objective["weight"])
    assert torch.equal(
        again.optimizers[0]["state"][0]["exp_avg"], state.optimizers[0]["state"][0]["exp_avg"]
    )
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


@pytest.mark.parametrize("content", [b"half a checkpoint", b""])
def test_an_unreadable_checkpoint_is_named(tmp_path, content):
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        TrainState.read(tmp_path / "state.pt")


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"state\.pt: not a readable checkpoint"):
        TrainState.read(tmp_path / "state.pt")


def test_a_restored_training_steps_as_the_one_that_it_was_captured_of(trained):
    state = captured(1, *trained)
    again = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(again.parameters(), lr=0.1)
    state.restore(again, [optimizer])
    trained[0].zero_grad()
    step(*trained)
    step(again, [optimizer])
    assert torch.equal(again.weight, trained[0].weight)


def test_a_checkpoint_of_another_network_or_other_optimisers_is_said_to_be_one(trained):
    state = captured(1, *trained)
    wider, same = nn.Linear(4, 2), nn.Linear(3, 2)
    groups = [{"params": [same.weight]}, {"params": [same.bias]}]
    for module, optimizers in (
        (wider, [torch.optim.AdamW(wider.parameters())]),
        (same, [torch.optim.AdamW(groups)]),
        (same, []),
    ):
        with pytest.raises(UnreadableError, match="another network or other optimisers"):
            state.restore(module, optimizers)
