# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A head of your own in five minutes
#
# The model answers fifteen quantities. Here it learns a sixteenth, the specific star-formation rate of galaxies, from
# a table of labels: only a small network is trained, on embeddings that stay as they are. It runs at the root of the
# project after `make repro`; `python docs/notebooks/own_head.py` does as well.

# %%
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from ojala import Predictor, load
from ojala.heads import head
from ojala.heads.finetune import Recipe, finetune
from ojala.heads.fit import FinetuneConfig
from ojala.measures.metrics import bias, sigma_nmad
from ojala.tables.shards import read_table

FIGURES = Path("docs/figures")
MINE = Path("data/notebooks")
MINE.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A table of labels
#
# Any table that names its sources and has one column more. Yours would come from elsewhere; this one is made from
# labels that the training table holds, with their error.

# %%
known = read_table("data/weights")
columns = {name: known[name].to_numpy().astype(float) for name in ("LOGM", "LOGSFR")}
labels = pa.table(
    {
        "targetid": known["targetid"],
        "survey": known["survey"],
        "program": known["program"],
        "LOGSSFR": columns["LOGSFR"] - columns["LOGM"],
        "LOGSSFR_ERR": np.full(len(known), 0.1),
    }
)
pq.write_table(labels, MINE / "ssfr.parquet")
print(f"{np.isfinite(labels['LOGSSFR'].to_numpy()).sum()} labels of {len(labels)} sources")

# %% [markdown]
# ## The head
#
# From the shell it is `ojala finetune data/notebooks/ssfr.parquet --quantity LOGSSFR --name ssfr --classes GALAXY`,
# which puts it into `models/heads`, where catalogue and service find it.

# %%
recipe = Recipe(
    labels=MINE / "ssfr.parquet",
    quantity="LOGSSFR",
    name="ssfr",
    classes=("GALAXY",),
    out=MINE / "ssfr",
    kept=MINE / "embeddings",
    unit="dex(yr-1)",
    description="Specific star-formation rate",
)
made = finetune(recipe, FinetuneConfig(num_steps=500))
print(made.counts, {name: round(value, 3) for name, value in made.scores.items()})
print({name: f"{seconds:.1f} s" for name, seconds in made.seconds.items()})

# %% [markdown]
# ## What it knows
#
# It is asked by its name, of sources that neither it nor the model has seen. A head is worth having if it scatters less
# than its labels do, which is what a constant would reach.

# %%
opened = load("models/ojala")
predictor = Predictor(opened, heads=[head.load(made.place, opened.digest)])
test = pq.read_table("data/crossmatch/test_real.parquet")
answers = predictor.predict(test, ["ssfr"])
true = (test["LOGSFR"].to_numpy() - test["LOGM"].to_numpy()).astype(float)
rows = np.flatnonzero(np.isfinite(true) & np.isfinite(answers["LOGSSFR"]))
true, given, error = true[rows], answers["LOGSSFR"][rows], answers["LOGSSFR_ERR"][rows]
residual = given - true
print(f"{len(rows)} galaxies: bias {bias(residual):+.2f}, sigma_nmad {sigma_nmad(residual):.2f}")
print(f"a constant: sigma_nmad {sigma_nmad(true):.2f}")
print(f"within the stated 1 sigma: {np.mean(np.abs(residual) < error):.0%}")

# %%
figure = Figure(figsize=(4.5, 4), layout="constrained")
axis = figure.subplots()
axis.scatter(true, given, s=5, c=error, cmap="viridis_r")
ends = [min(true.min(), given.min()), max(true.max(), given.max())]
axis.plot(ends, ends, color="black", linewidth=0.8)
axis.set(xlabel="log sSFR of the sky [1/yr]", ylabel="log sSFR answered [1/yr]")
figure.colorbar(axis.collections[0], ax=axis, label="stated 1 sigma [dex]")
figure.savefig(FIGURES / "notebook_own_head.png", dpi=110)
figure

# %% [markdown]
# ![What the head answers](../figures/notebook_own_head.png)
#
# [Fine-tuned heads](../heads.md) says where a head goes from here: into the catalogue, the registry and the service.
