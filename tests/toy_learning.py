"""A toy network that has learnt the toy sky, within seconds."""

from toy_model import toy_model
from toy_sky import toy_table

from ojala.model.bundle import Bundle
from ojala.training.config import TrainConfig
from ojala.training.fit import fit
from ojala.training.resident import measured_scaling, resident


def learnt(sizes, masking, **provenance):
    """A bundle of these sizes, trained on mocks alone."""
    config = TrainConfig(
        preset="demo",
        num_epochs=1,
        steps_per_epoch=90,
        batch_size=64,
        learning_rate=1e-2,
        warmup_steps=10,
        precision="float32",
        storage="float32",
        adaptation=None,
        masking=masking,
    )
    table = toy_table(1000)
    scaling = measured_scaling(table)
    model = toy_model(sizes)
    list(fit(model, resident(table, scaling, labelled=True), None, config))
    return Bundle(model=model.eval(), scaling=scaling, provenance=provenance)
