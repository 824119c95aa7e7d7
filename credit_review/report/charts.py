"""Plots as inline SVG: same data, same bytes; no network, no fonts to load. One panel a currency, currencies are never added up."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from credit_review.model.money import exponent
from credit_review.report.text import MINUS
from credit_review.scoring.reasons import REASONS
from credit_review.words import Said, marked, said

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE = "#1c2733", "#5c6b7a", "#d5dbe2"
NAVY, BLUE, PALE = "#1f3a5f", "#5b84b1", "#c9d6e6"
GREEN, RED = "#2e7d5b", "#b5482a"
AGEING_COLOURS = ("#9db8d2", "#e9c46a", "#e59b4c", "#d1693a", "#a3341f")
AGEING_NAMES: tuple[str, ...] = (said("not due"), said("1–30 days"), said("31–60"), said("61–90"), said("over 90"))
STEPS: tuple[str, ...] = (said("In force"), said("Up"), said("First"), said("Down"), said("Proposed"))
OWN, COVERED = said("own risk"), said("covered by insurance or security")
NO_GRADE = said("no grade")
THIS, LAST = said("this review"), said("last review")
SCORE = said("points in all")
SCORECARD, CHALLENGER, PREDICTED, TRUE = said("scorecard"), said("challenger"), said("mean probability"), said("share with the outcome")
_SCALES = (
    (10**9, marked("{currency}, billions")), (10**6, marked("{currency}, millions")), (10**3, marked("{currency}, thousands")),
    (1, marked("{currency}, units")),
)  # fmt: skip
MOST_PANELS = 4
"""Currencies with a panel of their own in a plot; further ones are in the tables only."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "credit-review",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.dpi": 72,
    "savefig.transparent": True,
}
_PAGE_FONT = "inherit"


@dataclass(frozen=True, slots=True)
class Steps:
    """Limits of one currency: in force, what is added and taken, and what is proposed. Minor units."""

    currency: str
    before: int
    up: int
    new: int
    down: int

    @property
    def after(self) -> int:
        """Limits if everything proposed is approved."""
        return self.before + self.up + self.new + self.down


@dataclass(frozen=True, slots=True)
class Grades:
    """Exposure of one currency by grade: our own risk and the part covered by insurance and security. Minor units."""

    currency: str
    grades: tuple[str, ...]
    own: tuple[int, ...]
    covered: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ageing:
    """Open items of one currency in five ageing buckets from not due to the oldest. Minor units."""

    currency: str
    buckets: tuple[int, int, int, int, int]


def limits_plot(panels: Sequence[Steps]) -> str:
    """Limits before and after, as steps from the one to the other."""
    return _draw(panels, _steps_panel, height=2.7)


def grades_plot(panels: Sequence[Grades]) -> str:
    """Exposure by grade, own risk and covered part."""
    return _draw(panels, _grades_panel, height=2.6, legend={OWN: NAVY, COVERED: PALE})


def ageing_plot(panels: Sequence[Ageing]) -> str:
    """Open items by age, each currency as parts of its own total."""
    from matplotlib.patches import Patch

    shown = panels[:MOST_PANELS]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for at, ageing in enumerate(shown):
            _ageing_bar(axes, at, ageing)
        axes.set_yticks(range(len(shown)), [a.currency for a in shown], fontweight="bold")
        axes.tick_params(axis="y", labelcolor=INK, labelsize=9)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1))
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        legend = [Patch(color=c, label=n) for c, n in zip(AGEING_COLOURS, AGEING_NAMES, strict=True)]
        axes.legend(handles=legend, ncols=5, loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, handlelength=1, columnspacing=1.4)

    return _svg(draw, width=7.2, height=0.55 + 0.5 * len(shown)) if shown else ""


def migration_plot(grades: Sequence[str], counts: Sequence[Sequence[int]], *, rows: str = LAST, columns: str = THIS) -> str:
    """Customers by grade of the last review (rows) and of this one (columns), or of two models."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        most = max((max(row) for row in counts), default=0) or 1
        for row, line in enumerate(counts):
            for column, number in enumerate(line):
                _migration_cell(axes, row, column, number, most)
        axes.set(xlim=(-0.5, len(grades) - 0.5), ylim=(len(grades) - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(len(grades)), grades)
        axes.set_yticks(range(len(grades)), grades)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.tick_params(labelcolor=INK)
        axes.set_xlabel(columns)
        axes.set_ylabel(rows, rotation_mode="anchor", verticalalignment="bottom")
        axes.spines["bottom"].set_visible(False)

    return _svg(draw, width=3.6, height=3.4)


@dataclass(frozen=True, slots=True)
class Said95:
    """A grade in the calibration plot: what was said, what was found and its interval, fractions; found None without customers."""

    grade: str
    said: float
    found: float | None
    low: float
    high: float


def calibration_plot(bands: Sequence[Said95]) -> str:
    """What was said (a line) against what was found with its interval (a dot), by grade, on a logarithmic scale."""
    if not bands:
        return ""
    floor = max(min(min(b.said, b.high) for b in bands) / 3, 1e-4)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for at, band in enumerate(bands):
            fits = band.low <= band.said <= band.high
            bar = [max(band.low, floor), band.high]
            axes.plot([at, at], bar, color=BLUE if fits else RED, linewidth=6, alpha=0.45, solid_capstyle="butt")
            axes.plot([at - 0.28, at + 0.28], [max(band.said, floor)] * 2, color=INK, linewidth=1.6)
            if band.found is not None:
                axes.plot([at], [max(band.found, floor)], marker="o", color=NAVY if fits else RED, markersize=6)
        axes.set_yscale("log")
        axes.set_ylim(floor / 1.3, 1.2)
        ticks = [t for t in (0.0001, 0.001, 0.01, 0.1, 1.0) if t >= floor / 1.3]
        axes.set_yticks(ticks, [f"{t:.2%}" if t < 0.01 else f"{t:.0%}" for t in ticks])
        axes.set_yticks([], minor=True)
        axes.grid(axis="y", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlim(-0.6, len(bands) - 0.4)
        axes.set_xticks(range(len(bands)), [b.grade for b in bands])

    return _svg(draw, width=7.2, height=2.9)


def drift_plot(shown: Sequence[tuple[str, float, float]], reference: Sequence[float]) -> str:
    """Population stability of each thing (name, index, limit of the book): a bar, its limit a mark; the trade's limits as dashed lines."""
    if not shown:
        return ""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        end = 1.6 * max(*reference, *(limit for _, _, limit in shown))
        for at, (_, index, limit) in enumerate(shown):
            axes.barh(at, min(index, end), color=RED if index > limit else BLUE, height=0.5)
            if index > end:  # a bar that is cut says how long it is
                axes.text(end * 0.99, at, f"{index:.2f}", ha="right", va="center", color="white", fontsize=7)
            axes.plot([limit, limit], [at - 0.38, at + 0.38], color=INK, linewidth=2)
        for one in reference:
            axes.axvline(one, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.text(one, -0.75, f" {one:g}", ha="left", color=MUTED, fontsize=7)
        axes.set_yticks(range(len(shown)), [name for name, _, _ in shown])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(shown) - 0.5, -1.1)
        axes.set_xlim(0, end)

    return _svg(draw, width=7.2, height=0.9 + 0.32 * len(shown))


def two_models_plot(bins: Sequence[tuple[str, int, float, float]]) -> str:
    """Mean probability and share with the outcome, a point a bin and a line a model; on the grey line the one is the other."""
    drawn = (("scorecard", SCORECARD, NAVY, "o"), ("challenger", CHALLENGER, RED, "s"))
    top = max((max(mean, rate) for _, _, mean, rate in bins), default=0.0) * 1.08 or 1.0

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, top], [0, top], color=LINE, linewidth=1)
        for key, name, colour, marker in drawn:
            points = [(mean, rate) for model, _, mean, rate in bins if model == key]
            axes.plot([x for x, _ in points], [y for _, y in points], color=colour, marker=marker, markersize=4, linewidth=1, label=name)
        axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        step = next((one for one in (0.005, 0.01, 0.02, 0.05, 0.1) if top <= 5 * one), 0.2)
        ticks = [step * at for at in range(int(top / step) + 1)]
        names = [f"{100 * one:.3g}%" for one in ticks]
        axes.set_xticks(ticks, names)
        axes.set_yticks(ticks, names)
        axes.set_xlabel(PREDICTED)
        axes.set_ylabel(TRUE)
        axes.legend(frameon=False, loc="upper left", handlelength=1.4)

    return _svg(draw, width=3.6, height=3.4) if bins else ""


def _draw(panels: Sequence[Any], panel: Any, *, height: float, legend: Mapping[str, str] = MappingProxyType({})) -> str:
    from matplotlib.patches import Patch

    shown = panels[:MOST_PANELS]

    def draw(figure: Figure) -> None:
        for axes, values in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            panel(axes, values)
        if legend:
            handles = [Patch(color=colour, label=name) for name, colour in legend.items()]
            figure.legend(handles=handles, ncols=len(handles), loc="outside upper left", frameon=False, handlelength=1, columnspacing=1.4)

    return _svg(draw, width=7.2, height=height) if shown else ""


def _steps_panel(axes: Axes, steps: Steps) -> None:
    scale, title = _unit(steps.currency, max(steps.before, steps.after))
    level = steps.before
    bars = [(0, steps.before, NAVY)]
    for change, colour in ((steps.up, GREEN), (steps.new, BLUE), (steps.down, RED)):
        bars.append((level, change, colour))
        level += change
    bars.append((0, steps.after, NAVY))
    for at, (base, size, colour) in enumerate(bars):
        axes.bar(at, size / scale, bottom=base / scale, color=colour, width=0.66)
        sign = "" if at in (0, 4) or size == 0 else "+" if size > 0 else MINUS
        axes.annotate(
            f"{sign}{_short(abs(size) / scale)}",
            (at, max(base, base + size) / scale),
            ha="center",
            va="bottom",
            xytext=(0, 2),
            textcoords="offset points",
            color=INK,
        )
    for at in range(4):  # thin lines carry the level from bar to bar
        after = bars[at][0] + bars[at][1]
        axes.plot([at + 0.33, at + 0.67], [after / scale] * 2, color=MUTED, linewidth=0.6)
    axes.set_xticks(range(5), STEPS, fontsize=7)
    _plain(axes, title, top=max(max(b, b + s) for b, s, _ in bars) / scale)


def _grades_panel(axes: Axes, grades: Grades) -> None:
    totals = [own + covered for own, covered in zip(grades.own, grades.covered, strict=True)]
    scale, title = _unit(grades.currency, max(totals, default=0))
    places = range(len(totals))
    axes.bar(places, [v / scale for v in grades.own], color=NAVY, width=0.66)
    axes.bar(places, [v / scale for v in grades.covered], bottom=[v / scale for v in grades.own], color=PALE, width=0.66)
    for at, total in enumerate(totals):
        axes.annotate(_short(total / scale), (at, total / scale), ha="center", xytext=(0, 2), textcoords="offset points", color=INK)
    axes.set_xticks(places, grades.grades)
    _plain(axes, title, top=max(totals, default=0) / scale)


def _ageing_bar(axes: Axes, at: int, ageing: Ageing) -> None:
    total = sum(ageing.buckets)
    left = 0.0
    for amount, colour in zip(ageing.buckets, AGEING_COLOURS, strict=True):
        part = amount / total if total else 0.0
        axes.barh(at, part, left=left, color=colour, height=0.62)
        if part >= 0.045:
            light = colour in AGEING_COLOURS[3:]
            axes.text(left + part / 2, at, f"{part:.0%}", ha="center", va="center", color="white" if light else INK)
        left += part


def _migration_cell(axes: Axes, row: int, column: int, number: int, most: int) -> None:
    from matplotlib.patches import Rectangle

    colour = NAVY if row == column else GREEN if column < row else RED
    strength = 0.12 + 0.78 * number / most if number else 0.0
    axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=colour, alpha=strength, edgecolor="none"))
    axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor="none", edgecolor=LINE, linewidth=0.8))
    if number:
        axes.text(column, row, f"{number:,}", ha="center", va="center", color="white" if strength > 0.55 else INK)


def _plain(axes: Axes, title: str, *, top: float) -> None:
    axes.set_title(title, pad=8)
    axes.set_ylim(0, top * 1.14 if top > 0 else 1)
    axes.set_yticks([])


def _unit(currency: str, largest_minor: int) -> tuple[float, str]:
    """Minor units in one step of the scale, and the title that names currency and scale."""
    major = 10 ** exponent(currency)
    size, title = next(((size, title) for size, title in _SCALES if largest_minor >= size * major), _SCALES[-1])
    return float(size * major), said(title, currency=currency)


def drawing(draw: Callable[[Figure], None], *, width: float, height: float) -> str:
    """A plot of another module in the same style: `draw` gets the empty figure."""
    return _svg(draw, width=width, height=height)


MODEL_LABELS: tuple[str, ...] = (
    said("without the outcome"), said("with the outcome"), said("said by the card"), said("found, with its 95% interval"), said("missing"),
    said("seen in the fit"), said("later"), said("points"), said("part of the customers"),
)  # fmt: skip
"""Labels of a model card's plots (`model_plots`)."""

_TEXT = re.compile(r"(<text[^>]*>)([^<]*)(</text>)")
_MODELS = (SCORECARD, CHALLENGER, PREDICTED, TRUE)
_LABELS: Mapping[str, str] = MappingProxyType(
    {
        label: label
        for label in (*AGEING_NAMES, *STEPS, OWN, COVERED, NO_GRADE, THIS, LAST, SCORE, *REASONS.values(), *_MODELS, *MODEL_LABELS)
    }
)


def translated(svg: str, say: Callable[[str], str]) -> str:
    """The drawing with its labels as `say` says them: one drawing serves every language, since labels stand as text at their anchors."""

    def label(found: re.Match[str]) -> str:
        text = found[2]
        known = _LABELS.get(text) or _title(text)
        return f"{found[1]}{html.escape(say(known), quote=False)}{found[3]}" if known else found[0]

    return _TEXT.sub(label, svg)


def _title(text: str) -> str:
    """A panel's title, said again; empty when the text is none."""
    currency = text[:3]
    titles: list[Said] = [said(title, currency=currency) for _, title in _SCALES]
    return next((title for title in titles if title == text), "")


def _short(value: float) -> str:
    if 0 < value < 0.005:
        return "<0.01"
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


def _svg(draw: Any, *, width: float, height: float) -> str:
    """The drawing as an SVG element to stand inside HTML: no prolog, no metadata, no addresses, no ids that could repeat."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(cast(Any, _STYLE)):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\sid="[A-Za-z0-9.]+_\d+"', "", text)
    text = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg role='img'", text, count=1)
    return text.replace("'DejaVu Sans'", _PAGE_FONT.replace('"', "'")).strip()
