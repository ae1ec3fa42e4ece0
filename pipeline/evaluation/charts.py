"""Diagrams of an evaluation as SVG: what probabilities hold, and what share is left at which error."""

from collections.abc import Sequence

from pipeline.evaluation.statistics import CalibrationBin

_SIDE, _LEFT, _TOP, _BOTTOM = 240, 40, 34, 42
_MOST_ERROR = 0.1
"""The second diagram ends here: nobody would let more plates through unseen."""
_FIFTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def reliability_diagram(bins: Sequence[CalibrationBin]) -> str:
    """Bars: what share was right, by what was said; a dot where a bin's mean lies; the diagonal is perfect."""
    most = max((bin.n for bin in bins), default=0) or 1
    bars = "".join(_bar(bin, most) for bin in bins if bin.right is not None)
    diagonal = f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" class="perfect"/>'
    return _frame("probability that it gave", "share that was right", diagonal + bars, [(v, f"{v:.0%}") for v in _FIFTHS])


def coverage_diagram(curve: Sequence[tuple[int, int]], promised: float) -> str:
    """`curve`: plates let through, and how many of these are wrong."""
    points = " ".join(f"{_x(n / curve[-1][0]):.1f},{_y(wrong / n / _MOST_ERROR):.1f}" for n, wrong in curve)
    window = f'<clipPath id="window"><rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/></clipPath>'
    line = f'{window}<polyline points="{points}" class="curve" clip-path="url(#window)"/>'
    promise = f'<line x1="{_x(0)}" y1="{_y(promised / _MOST_ERROR)}" x2="{_x(1)}" y2="{_y(promised / _MOST_ERROR)}" class="promise"/>'
    marks = [(v, f"{v * _MOST_ERROR:.0%}") for v in _FIFTHS]
    return _frame("share of the plates, most probable first", "of these wrong", promise + line, marks)


def _bar(bin: CalibrationBin, most: int) -> str:
    left, width, right = _x(bin.low) + 2, _SIDE / 10 - 4, bin.right or 0.0
    top, ink = _y(right), 0.25 + 0.75 * bin.n / most
    title = f"<title>{bin.low:.0%} to {bin.high:.0%}: {bin.n} plates, {right:.0%} right</title>"
    bar = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_SIDE * right:.1f}" class="bar" fill-opacity="{ink:.2f}"/>'
    dot = f'<circle cx="{_x(bin.probability or 0.0):.1f}" cy="{top:.1f}" r="3" class="dot"/>'
    return f'<g>{title}{bar}{dot}<text x="{left + width / 2:.1f}" y="{top - 6:.1f}" class="count">{bin.n}</text></g>'


def _frame(across: str, up: str, inside: str, marks: Sequence[tuple[float, str]]) -> str:
    grid = "".join(f'<line x1="{_x(0)}" y1="{_y(v)}" x2="{_x(1)}" y2="{_y(v)}" class="grid"/>' for v, _ in marks)
    left = "".join(f'<text x="{_LEFT - 6}" y="{_y(v) + 4}" class="up">{text}</text>' for v, text in marks)
    below = "".join(f'<text x="{_x(v)}" y="{_y(0) + 16}" class="across">{v:.0%}</text>' for v in _FIFTHS)
    names = f'<text x="{_x(0.5)}" y="{_y(0) + 34}" class="across name">{across}</text><text x="0" y="12" class="name">{up}</text>'
    size = f"0 0 {_LEFT + _SIDE + 16} {_TOP + _SIDE + _BOTTOM}"
    return f'<svg viewBox="{size}" role="img">{grid}{left}{below}{names}{inside}</svg>'


def _x(share: float) -> float:
    return _LEFT + _SIDE * share


def _y(share: float) -> float:
    return _TOP + _SIDE * (1 - share)
