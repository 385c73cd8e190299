"""A search of settings: every trial across its parameters, and the front of its two scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

OBJECTIVE, F1, SIGMA = "objective", "weighted_f1", "galaxy_sigma_nmad"
NAMES = {
    "learning_rate": "learning rate",
    "weight_decay": "weight decay",
    "masking.num_targets": "targets\nper pass",
    "masking.min_context": "context tokens,\nat least",
    "masking.keep_min_frac": "share kept,\nat least",
    "masking.keep_max_frac": "share kept,\nat most",
    "masking.max_token_weight": "cap of the\ntoken weights",
    "masking.label_weight": "weight of\nlabels",
    "adaptation.mmd_weight": r"$\lambda_{\rm MMD}$",
    "adaptation.entropy_weight": r"$\lambda_{\rm ent}$",
    "adaptation.ess_weight": r"$\lambda_{\rm ess}$",
    "adaptation.ess_floor": "ESS floor\n(share of batch)",
    OBJECTIVE: "objective\n(0: perfect)",
}
"""What parameters are called in figures; all are pure numbers."""

COLOUR_LABEL = "objective, smaller is better"
LEGEND: dict[str, Any] = {"fontsize": 8, "title_fontsize": 8, "frameon": False}
STAR: dict[str, Any] = {"marker": "*", "ms": 20, "mfc": "none", "mec": "tab:red", "ls": ""}
FRONT: dict[str, Any] = {"color": "0.4", "lw": 1, "ls": "--"}
Span = tuple[float, float, bool]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A trial as it is drawn.

    point: values by parameter; scores: by name, OBJECTIVE among them
    epochs: that it trained; is_whole: these were all, it was not stopped
    """

    number: int
    point: Mapping[str, float]
    scores: Mapping[str, float]
    epochs: int
    is_whole: bool


def parallel(tried: Sequence[Tried], spans: Mapping[str, Span], best: int, total: int) -> Figure:
    """Parallel coordinates: a line per trial across its parameters and the objective.

    spans: low, high and whether the axis is logarithmic, by parameter; best: number of the best
    trial; total: trials that were begun, of which those without any score are not drawn
    """
    values = [trial.scores[OBJECTIVE] for trial in tried]
    edge = 0.05 * max(max(values) - min(values), 1e-6)
    scales: dict[str, Span] = {**spans, OBJECTIVE: (min(values) - edge, max(values) + edge, False)}
    figure = Figure(figsize=(1.2 * len(scales) + 1.5, 5.0), layout="constrained")
    axis = figure.subplots()
    colours, ends = _colours(tried), dict[int, float]()
    for trial in sorted(tried, key=lambda one: one.number == best):
        point = {**trial.point, OBJECTIVE: trial.scores[OBJECTIVE]}
        heights = [_height(point[name], span) for name, span in scales.items()]
        colour = colours.to_rgba(np.array(trial.scores[OBJECTIVE]))
        axis.plot(range(len(scales)), heights, color=colour, **_line(trial, best))
        ends[trial.number] = heights[-1]
    for number, height in _apart(ends).items():
        _say(axis, f"{number}", (len(scales) - 1, height), (7, 0))
    _scales(axis, scales)
    entries: list[tuple[str, dict[str, Any]]] = [
        (f"trained to the end (n = {_whole(tried)})", {"lw": 1.6}),
        (f"stopped by ASHA (n = {len(tried) - _whole(tried)})", {"lw": 1.2, "ls": "--"}),
        (f"best: trial {best}", {"lw": 3.5}),
    ]
    handles = [Line2D([], [], color="0.4", label=label, **style) for label, style in entries]
    axis.legend(
        handles=handles,
        title=_title(tried, total),
        ncols=3,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        **LEGEND,
    )
    figure.colorbar(colours, ax=axis, label=COLOUR_LABEL, shrink=0.8, pad=0.03)
    return figure


def pareto(tried: Sequence[Tried], best: int, total: int) -> Figure:
    """Class F1 against the scatter of galaxy redshifts, both the means of the validation sets.

    The front is that of the trials that trained longest: shorter ones cannot be compared.
    """
    figure = Figure(figsize=(6.6, 5.0), layout="constrained")
    axis = figure.subplots()
    colours = _colours(tried)
    for trial in tried:
        colour = colours.to_rgba(np.array(trial.scores[OBJECTIVE]))
        place = trial.scores[SIGMA], trial.scores[F1]
        fill = colour if trial.is_whole else "none"
        axis.plot(*place, "o", ms=8, mec=colour, mew=1.5, mfc=fill, zorder=3)
        if trial.number == best:
            axis.plot(*place, zorder=4, **STAR)
        said = f"{trial.number}" if trial.is_whole else f"{trial.number} ({trial.epochs} epochs)"
        _say(axis, said, place, (10, 6))
    longest = max(trial.epochs for trial in tried)
    sigma, f1 = (
        np.array([trial.scores[name] for trial in tried if trial.epochs == longest])
        for name in (SIGMA, F1)
    )
    front = pareto_front(sigma, f1)
    axis.plot(sigma[front], f1[front], drawstyle="steps-post", **FRONT)
    axis.set(
        xlabel=r"galaxies: $\sigma_{\rm NMAD}$ of $\Delta z / (1 + z)$, val-real and val-synth",
        ylabel="class: balanced F1, val-real and val-synth",
    )
    axis.margins(0.24)  # room for what is said beside the last trial
    axis.locator_params(nbins=6)
    axis.grid(alpha=0.25)
    number = _whole(tried)
    handles = [
        Line2D([], [], marker="o", ls="", color="0.4", label=f"trained to the end (n = {number})"),
        Line2D(
            [],
            [],
            marker="o",
            ls="",
            color="0.4",
            mfc="none",
            label=f"stopped by ASHA (n = {len(tried) - number})",
        ),
        Line2D([], [], label=f"best objective: trial {best}", **STAR | {"ms": 13}),
    ]
    if len(front) > 1:
        handles.append(Line2D([], [], label=f"front of those of {longest} epochs", **FRONT))
    axis.legend(handles=handles, title=_title(tried, total), **LEGEND)
    figure.colorbar(colours, ax=axis, label=COLOUR_LABEL)
    return figure


def pareto_front(cost: Any, gain: Any) -> list[int]:
    """Rows that no other one beats in both, by rising cost: less of it, and more gain."""
    front: list[int] = []
    for row in np.lexsort((-gain, cost)):
        if not front or gain[row] > gain[front[-1]]:
            front.append(int(row))
    return front


def _height(value: float, span: Span) -> float:
    """Where a value lies on its axis, 0 ... 1."""
    low, high, log = span
    if log:
        value, low, high = np.log10([value, low, high])
    return float((value - low) / (high - low))


def _scales(axis: Axes, axes: Mapping[str, Span]) -> None:
    """An upright scale for each parameter, with its name and the values along it."""
    for place, span in enumerate(axes.values()):
        low, high, log = span
        axis.axvline(place, color="0.6", lw=0.8, zorder=0)
        between = np.geomspace(low, high, 3) if log else np.linspace(low, high, 3)
        for value, height in zip(between, (0, 0.5, 1), strict=True):
            axis.annotate(
                f"{float(f'{value:.3g}'):g}",
                (place, height),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=7,
                color="0.3",
                bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75},
            )
    names = [NAMES.get(name, name) + ("\n(log)" if span[2] else "") for name, span in axes.items()]
    axis.set_xticks(range(len(axes)), names, fontsize=8)
    axis.set(yticks=[], ylim=(-0.05, 1.05), xlim=(-0.55, len(axes) - 0.6))
    for side in ("left", "right", "top", "bottom"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="x", length=0, pad=8)


def _apart(heights: Mapping[int, float], distance: float = 0.035) -> dict[int, float]:
    """Heights of labels that do not overlap, each as near as may be above its own."""
    placed: dict[int, float] = {}
    lowest = -np.inf
    for number, height in sorted(heights.items(), key=lambda entry: entry[1]):
        placed[number] = max(height, lowest + distance)
        lowest = placed[number]
    return placed


def _line(trial: Tried, best: int) -> dict[str, Any]:
    if trial.number == best:
        return {"lw": 3.5, "zorder": 3}
    return {"lw": 1.6} if trial.is_whole else {"lw": 1.2, "ls": "--"}


def _colours(tried: Sequence[Tried]) -> ScalarMappable:
    """Colours of the objective."""
    values = [trial.scores[OBJECTIVE] for trial in tried]
    low, high = min(values), max(values)
    return ScalarMappable(Normalize(low, high if high > low else low + 0.01), "viridis")


def _whole(tried: Sequence[Tried]) -> int:
    return sum(trial.is_whole for trial in tried)


def _title(tried: Sequence[Tried], total: int) -> str:
    trials = "1 trial" if total == 1 else f"{total} trials"
    return trials + (f", {total - len(tried)} failed" if total > len(tried) else "")


def _say(axis: Axes, text: str, place: tuple[float, float], offset: tuple[float, float]) -> None:
    axis.annotate(
        text,
        place,
        xytext=offset,
        textcoords="offset points",
        va="center",
        fontsize=8,
        annotation_clip=False,
    )
