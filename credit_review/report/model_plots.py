"""Plots of a model card: points of each factor's bins, the score's distribution, calibration by grade, ranking by period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from credit_review.report.charts import BLUE, INK, LINE, MODEL_LABELS, MUTED, NAVY, PALE, RED, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from credit_review.monitoring.calibration import Band
    from credit_review.monitoring.examination import AtCutoff
    from credit_review.scoring import Scorecard
    from credit_review.scoring.scorecard import Factor

GOOD, BAD, SAID, FOUND, MISSING, SEEN, LATER, POINTS, PART = MODEL_LABELS
LONGEST_LABEL = 26


def points_plot(card: Scorecard, labelled: Sequence[tuple[Factor, Sequence[str]]]) -> str:
    """One panel a factor, two beside each other: a bar a bin with its points, the bin of missing values last and pale."""
    columns = 2
    lines = [labelled[at : at + columns] for at in range(0, len(labelled), columns)]
    heights = [max(len(one.places) for one, _ in line) for line in lines]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(lines), columns, squeeze=False, height_ratios=heights)
        for row, line in enumerate(lines):
            for column in range(columns):
                if column < len(line):
                    _points_panel(panels[row][column], *line[column])
                else:
                    panels[row][column].set_axis_off()

    return drawing(draw, width=7.2, height=0.45 * len(lines) + 0.2 * sum(heights)) if labelled else ""


def _points_panel(axes: Axes, factor: Factor, labels: Sequence[str]) -> None:
    points = [one.points for one in factor.places]
    names = [_short(MISSING if at == len(factor.bins) else one) for at, one in enumerate(labels)]
    colours = [PALE if at == len(factor.bins) else NAVY if one >= 0 else RED for at, one in enumerate(points)]
    axes.barh(range(len(points)), points, color=colours, height=0.66)
    axes.axvline(0, color=MUTED, linewidth=0.6)
    for at, value in enumerate(points):
        axes.annotate(
            f"{value:+d}", (value, at), ha="left" if value >= 0 else "right", va="center", xytext=(3 if value >= 0 else -3, 0),
            textcoords="offset points", color=INK, fontsize=7,
        )  # fmt: skip
    axes.set_yticks(range(len(points)), names, fontsize=7)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.invert_yaxis()
    reach = max(abs(min(points)), abs(max(points)), 1)
    axes.set_xlim(min(0, min(points)) - 0.25 * reach, max(0, max(points)) + 0.25 * reach)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title(factor.name.replace("_", " "), pad=4)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def distribution_plot(histogram: Sequence[tuple[int, int, int]], width: int) -> str:
    """Customers by points, those with and without the outcome each as parts of their own number."""
    from matplotlib.patches import Patch

    goods, bads = (sum(one[at] for one in histogram) for at in (1, 2))
    if not goods or not bads:
        return ""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = [one[0] + width / 2 for one in histogram]
        axes.bar(places, [one[1] / goods for one in histogram], width=width * 0.92, color=PALE)
        axes.bar(places, [one[2] / bads for one in histogram], width=width * 0.5, color=RED, alpha=0.8)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel(POINTS)
        axes.set_ylabel(PART)
        figure.legend(
            handles=[Patch(color=PALE, label=GOOD), Patch(color=RED, label=BAD)], ncols=2, loc="outside upper left", frameon=False
        )

    return drawing(draw, width=7.2, height=2.6)


def calibration_plot(bands: Sequence[Band]) -> str:
    """By grade: the mean probability that the card said, and the rate found with its interval."""
    shown = [one for one in bands if one.found.rate is not None]
    if not shown:
        return ""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = range(len(shown))
        rates = [one.found.rate or 0.0 for one in shown]
        spread = [
            [r - o.found.low for r, o in zip(rates, shown, strict=True)],
            [o.found.high - r for r, o in zip(rates, shown, strict=True)],
        ]
        axes.errorbar(places, rates, yerr=spread, fmt="o", color=NAVY, ecolor=BLUE, capsize=3, markersize=5, label=FOUND)
        axes.plot(places, [one.expected for one in shown], "D", color=RED, markersize=5, label=SAID)
        axes.set_xticks(places, [f"{one.grade}\n{one.found.of:,}" for one in shown])
        axes.set_xlim(-0.5, len(shown) - 0.5)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        _gridded(axes)
        figure.legend(ncols=2, loc="outside upper left", frameon=False)

    return drawing(draw, width=7.2, height=2.8)


def ranking_plot(periods: Sequence[AtCutoff]) -> str:
    """AUC of each cut-off with its interval, those seen in the fit hollow; one half is chance."""
    shown = [one for one in periods if one.ranking.auc is not None]
    if not shown:
        return ""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for seen, fill, label in ((True, "white", SEEN), (False, NAVY, LATER)):
            of = [(at, one) for at, one in enumerate(shown) if one.seen == seen]
            if of:
                _intervals(axes, of, fill, label)
        axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xticks(range(len(shown)), [f"{one.cutoff}\n{one.ranking.bad:,} / {one.ranking.customers:,}" for one in shown], fontsize=7)
        axes.set_xlim(-0.5, len(shown) - 0.5)
        axes.set_ylim(0.4, 1.0)
        axes.set_ylabel("AUC")
        _gridded(axes)
        figure.legend(ncols=2, loc="outside upper left", frameon=False)

    return drawing(draw, width=7.2, height=2.7)


def _intervals(axes: Axes, of: Sequence[tuple[int, AtCutoff]], fill: str, label: str) -> None:
    middle: list[Any] = [one.ranking.auc for _, one in of]
    below = [m - (one.ranking.low or m) for m, (_, one) in zip(middle, of, strict=True)]
    above = [(one.ranking.high or m) - m for m, (_, one) in zip(middle, of, strict=True)]
    places = [at for at, _ in of]
    axes.errorbar(
        places, middle, yerr=[below, above], fmt="o", color=NAVY, markerfacecolor=fill, ecolor=BLUE, capsize=3, markersize=5, label=label
    )


def _gridded(axes: Axes) -> None:
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
