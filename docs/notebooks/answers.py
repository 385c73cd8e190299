# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # From J-PAS rows to classes and redshifts
#
# What the model says of the demo's Test-Real, J-PAS sources of the simulated sky whose spectra were never trained on,
# and whether its errors are honest. It runs at the root of the project after `make repro`, as a notebook
# ([jupytext](https://jupytext.readthedocs.io) opens it) or as it is: `python docs/notebooks/answers.py`.

# %%
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from ojala import Predictor, load
from ojala.measures.metrics import sigma_nmad
from ojala.measures.redshift_scores import pit

FIGURES = Path("docs/figures")
table = pq.read_table("data/crossmatch/test_real.parquet")
predictor = Predictor(load("models/ojala"))

# %% [markdown]
# ## Classes
#
# The table goes in as it is: the model takes the bands, and what it does not know it leaves alone. A source without
# a usable `MAG_i` has no answers, and `REASON` says so.

# %%
answers = predictor.predict(table, ["SPECTYPE", "Z_GAL", "Z_QSO"])
true_class = table["spectype"].to_numpy(zero_copy_only=False)
for reason in sorted(set(answers["REASON"]) - {""}):
    print(f"without answer: {np.sum(answers['REASON'] == reason)} ({reason})")
for name in ("GALAXY", "QSO", "STAR"):
    of_class = true_class == name
    right = np.mean(answers["CLASS"][of_class] == name)
    print(f"{name}: {of_class.sum()} sources, {right:.1%} are answered as such")

# %% [markdown]
# `P_GALAXY`, `P_QSO` and `P_STAR` say how sure the class is. Of those that are said to be galaxies with 90 to 99 %,
# 90 to 99 % should be.

# %%
for low, high in ((0.0, 0.5), (0.5, 0.9), (0.9, 0.99), (0.99, 1.0)):
    said = (answers["P_GALAXY"] > low) & (answers["P_GALAXY"] <= high)
    if said.any():
        share = np.mean(true_class[said] == "GALAXY")
        print(f"P_GALAXY {low} to {high}: {said.sum()} sources, {share:.1%} are galaxies")

# %% [markdown]
# ## Redshifts
#
# `Z_GAL` is the redshift if the source is a galaxy: the likeliest one, with the half-width about it that holds 68 %.
# A second mode, where there is one, is `Z_GAL_MODE_2`.

# %%
rows = np.flatnonzero((true_class == "GALAXY") & (answers["REASON"] == ""))
z_true = table["z"].to_numpy().astype(float)[rows]
z, error = answers["Z_GAL"][rows], answers["Z_GAL_ERR"][rows]
residual = (z - z_true) / (1 + z_true)
print(f"sigma_nmad {sigma_nmad(residual):.4f}, outliers {np.mean(np.abs(residual) > 0.15):.2%}")
sure = error / (1 + z) < np.median(error / (1 + z))
for name, chosen in (("surer half", sure), ("other half", ~sure)):
    print(f"{name}: sigma_nmad {sigma_nmad(residual[chosen]):.4f}")

# %%
figure = Figure(figsize=(9, 4), layout="constrained")
axis, below = figure.subplots(1, 2)
axis.errorbar(z_true, z, error, fmt=".", markersize=3, elinewidth=0.4, color="#9c2a2a", alpha=0.6)
axis.plot([0, z_true.max()], [0, z_true.max()], color="black", linewidth=0.8)
axis.set(xlabel="Redshift of the spectrum", ylabel="Redshift answered", title="Galaxies")

# %% [markdown]
# ## Are the errors honest?
#
# The probability that p(z) puts below the true redshift (PIT) is uniform if p(z) means what it says: a hill in the
# middle means errors that are too large, a bowl too small ones. And 68 % intervals should hold 68 %.

# %%
pdf = predictor.redshifts(table)["Z_GAL"][rows]
below.hist(pit(pdf, z_true), bins=20, range=(0, 1), density=True, color="#c9a0a0")
below.axhline(1, color="black", linewidth=0.8)
below.set(xlabel="Probability below the true redshift", ylabel="Density", title="PIT")
for level in (0.5, 0.68, 0.95):
    low, high = pdf.interval(level)
    held = np.mean((z_true >= low) & (z_true <= high))
    print(
        f"{level:.0%} intervals hold {held:.1%} +- {np.sqrt(level * (1 - level) / len(rows)):.1%}"
    )
figure.savefig(FIGURES / "notebook_answers.png", dpi=110)
figure

# %% [markdown]
# ![Redshifts and their PIT](../figures/notebook_answers.png)
#
# On a sky that is simulated these numbers measure the system ([why](../simulated-sky.md)). On your own sources look at
# the same two figures before you believe any error; [Beware](../beware.md) says what moves them.
