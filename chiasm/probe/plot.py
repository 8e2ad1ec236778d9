"""Curves with their intervals as SVG, without anything from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from chiasm.evaluate.benchmarks.figures import natural
from chiasm.probe.curves import Curve

WIDE, HIGH = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 46
STYLE = ".grid{stroke:#e4e4e4}.chance{stroke:#888;stroke-dasharray:4 3}"
INKS = ("#2456a4", "#c4532b", "#3a8443", "#7d4fa0", "#a0822a", "#3f8f96", "#b0487e", "#666666")


def svg(curves: Sequence[Curve], swept: str, shown: str, low: float, high: float, lines: Sequence[float] = ()) -> str:
    """Levels stand evenly apart; `lines` are drawn dashed all across, as for chance."""
    levels = list(dict.fromkeys(point.level for curve in curves for point in curve.points))
    levels.sort(key=lambda level: natural(level)[0])
    step = (WIDE - LEFT - RIGHT) / max(1, len(levels))
    x = {level: LEFT + (n + 0.5) * step for n, level in enumerate(levels)}

    def y(value: float) -> float:
        return TOP + (high - min(high, max(low, value))) / (high - low) * (HIGH - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(shown)} by {escape(swept)}">']
    for tick in (low + k * (high - low) / 4 for k in range(5)):
        parts.append(f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{WIDE - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [f'<path class="chance" d="M{LEFT} {y(line):.1f}H{WIDE - RIGHT}"/>' for line in lines]
    parts += [f'<text x="{x[one]:.1f}" y="{HIGH - 28}" text-anchor="middle">{escape(one)}</text>' for one in levels]
    parts.append(f'<text x="{(WIDE + LEFT) / 2}" y="{HIGH - 8}" text-anchor="middle">{escape(swept)}</text>')
    for number, curve in enumerate(curves):
        parts += _drawn(curve, INKS[number % len(INKS)], x, y, 4 * (number - (len(curves) - 1) / 2))
    return "".join((*parts, "</svg>"))


def sheet(panels: Sequence[tuple[str, str]], columns: int = 4, wide: int = 300) -> str:
    """Plots with a title each as one picture that stands by itself."""
    high = round(wide * HIGH / WIDE)
    rows = -(-len(panels) // columns)
    size = f'width="{columns * wide}" height="{rows * (high + 24)}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12"><style>{STYLE}</style>']
    parts.append('<rect width="100%" height="100%" fill="#fff"/>')
    for number, (title, panel) in enumerate(panels):
        left, top = number % columns * wide, number // columns * (high + 24)
        parts.append(f'<text x="{left + 10}" y="{top + 16}">{escape(title)}</text>')
        parts.append(panel.replace("<svg ", f'<svg x="{left}" y="{top + 22}" width="{wide}" height="{high}" ', 1))
    return "".join((*parts, "</svg>\n"))


def _drawn(curve: Curve, ink: str, x: dict[str, float], y: Callable[[float], float], aside: float) -> list[str]:
    """A line, its points, and a bar for each interval; curves stand a little aside of one another."""
    spots = [(x[p.level] + aside, y(p.at.value), y(p.at.low), y(p.at.high), p) for p in curve.points]
    line = " ".join(f"{across:.1f},{middle:.1f}" for across, middle, *_ in spots)
    parts = [f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="1.8"/>']
    for across, middle, low, high, point in spots:
        told = f"{curve.name}, {point.level}: {point.at.value:.2f} ({point.at.low:.2f} to {point.at.high:.2f}), n = {point.n}"
        parts.append(f'<path d="M{across:.1f} {low:.1f}V{high:.1f}" stroke="{ink}" stroke-opacity=".55" stroke-width="1.5"/>')
        parts.append(f'<circle cx="{across:.1f}" cy="{middle:.1f}" r="3" fill="{ink}"><title>{escape(told)}</title></circle>')
    return parts


def legend(curves: Sequence[Curve]) -> str:
    """Which ink is whose."""
    marks = (f'<span><i style="background:{INKS[n % len(INKS)]}"></i>{escape(c.name)}</span>' for n, c in enumerate(curves))
    return f'<p class="legend">{"".join(marks)}</p>'
