"""SVG diagrams of an evaluation: reliability of the probabilities, and error against coverage."""

from collections.abc import Sequence

from pipeline.evaluation.statistics import CalibrationBin

_SIDE, _LEFT, _TOP, _BOTTOM = 240, 40, 34, 42
_MAX_ERROR = 0.1
"""Upper end of the error axis: higher error rates are of no use without review."""
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def reliability_diagram(bins: Sequence[CalibrationBin]) -> str:
    """Bars: share of right plates by probability; dots: mean probability of each bin; dashed diagonal: perfect calibration."""
    max_count = max((bin.n for bin in bins), default=0) or 1
    bars = "".join(_bar(bin, max_count) for bin in bins if bin.right is not None)
    diagonal = f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" class="perfect"/>'
    return _axes("probability", "share of right plates", diagonal + bars, [(v, f"{v:.0%}") for v in _TICKS])


def coverage_diagram(curve: Sequence[tuple[int, int]], target_error: float) -> str:
    """`curve`: number of accepted plates, and how many of these are wrong."""
    points = " ".join(f"{_x(n / curve[-1][0]):.1f},{_y(wrong / n / _MAX_ERROR):.1f}" for n, wrong in curve)
    window = f'<clipPath id="window"><rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/></clipPath>'
    line = f'{window}<polyline points="{points}" class="curve" clip-path="url(#window)"/>'
    target = f'<line x1="{_x(0)}" y1="{_y(target_error / _MAX_ERROR)}" x2="{_x(1)}" y2="{_y(target_error / _MAX_ERROR)}" class="target"/>'
    ticks = [(v, f"{v * _MAX_ERROR:.0%}") for v in _TICKS]
    return _axes("share of the plates, most probable first", "share of these that is wrong", target + line, ticks)


def _bar(bin: CalibrationBin, max_count: int) -> str:
    left, width, right = _x(bin.low) + 2, _SIDE / 10 - 4, bin.right or 0.0
    top, opacity = _y(right), 0.25 + 0.75 * bin.n / max_count
    title = f"<title>{bin.low:.0%} to {bin.high:.0%}: {bin.n} plates, {right:.0%} right</title>"
    bar = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_SIDE * right:.1f}" class="bar" fill-opacity="{opacity:.2f}"/>'
    dot = f'<circle cx="{_x(bin.probability or 0.0):.1f}" cy="{top:.1f}" r="3" class="dot"/>'
    return f'<g>{title}{bar}{dot}<text x="{left + width / 2:.1f}" y="{top - 6:.1f}" class="count">{bin.n}</text></g>'


def _axes(x_label: str, y_label: str, content: str, ticks: Sequence[tuple[float, str]]) -> str:
    grid = "".join(f'<line x1="{_x(0)}" y1="{_y(v)}" x2="{_x(1)}" y2="{_y(v)}" class="grid"/>' for v, _ in ticks)
    left = "".join(f'<text x="{_LEFT - 6}" y="{_y(v) + 4}" class="up">{text}</text>' for v, text in ticks)
    below = "".join(f'<text x="{_x(v)}" y="{_y(0) + 16}" class="across">{v:.0%}</text>' for v in _TICKS)
    labels = f'<text x="{_x(0.5)}" y="{_y(0) + 34}" class="across name">{x_label}</text><text x="0" y="12" class="name">{y_label}</text>'
    size = f"0 0 {_LEFT + _SIDE + 16} {_TOP + _SIDE + _BOTTOM}"
    return f'<svg viewBox="{size}" role="img">{grid}{left}{below}{labels}{content}</svg>'


def _x(fraction: float) -> float:
    return _LEFT + _SIDE * fraction


def _y(fraction: float) -> float:
    return _TOP + _SIDE * (1 - fraction)
