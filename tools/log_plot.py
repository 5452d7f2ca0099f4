"""A plot of a few lines on two logarithmic axes, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 230, 50, 50  # Margins; labels of the lines are at the right.
COLOURS = ("#b2182b", "#ef8a62", "#777777", "#67a9cf", "#2166ac", "#1b7837")
LABEL_PIXELS_MIN = 16  # Labels keep this far apart.


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, and its points, from left to right, all positive."""

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps powers of ten onto pixels."""

    low: int  # Exponents.
    high: int
    begin: float  # Pixels.
    end: float

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)

    def ticks(self) -> Iterator[float]:
        return (10.0**exponent for exponent in range(self.low, self.high + 1))


def draw(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """Return the plot; each line is labelled where it ends."""
    x = _axis([x for line in lines for x, _ in line.points], LEFT, WIDTH - RIGHT)
    y = _axis([y for line in lines for _, y in line.points], HEIGHT - BOTTOM, TOP)
    size, font = f'viewBox="0 0 {WIDTH} {HEIGHT}"', 'font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="28" font-size="16">{escape(title)}</text>',
        *_grid(x, y, x_name, y_name),
    ]
    labels = _spread([y.at(line.points[-1][1]) for line in lines])
    for line, colour, label_y in zip(lines, COLOURS, labels, strict=False):
        points = " ".join(f"{x.at(px)},{y.at(py)}" for px, py in line.points)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
        parts += [
            f'<circle cx="{x.at(px)}" cy="{y.at(py)}" r="4" fill="{colour}"/>'
            for px, py in line.points
        ]
        parts.append(
            f'<text x="{WIDTH - RIGHT + 12}" y="{label_y + 4}" fill="{colour}">'
            f"{escape(line.label)}</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axis(values: Sequence[float], begin: float, end: float) -> _Axis:
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return _Axis(low, max(high, low + 1), begin, end)


def _grid(x: _Axis, y: _Axis, x_name: str, y_name: str) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for tick in x.ticks():
        at = x.at(tick)
        yield f'<line x1="{at}" y1="{TOP}" x2="{at}" y2="{bottom}" stroke="#ddd"/>'
        yield f'<text x="{at}" y="{bottom + 18}" text-anchor="middle">{tick:,.0f}</text>'
    for tick in y.ticks():
        at = y.at(tick)
        yield f'<line x1="{LEFT}" y1="{at}" x2="{right}" y2="{at}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{tick:,.10g}</text>'
    yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{x_name}</text>'
    yield f'<text x="{LEFT - 8}" y="{TOP - 12}" text-anchor="end">{y_name}</text>'


def _spread(wanted: Sequence[float]) -> list[float]:
    """Move labels down until none covers another; in the order given."""
    placed = list(wanted)
    top_down = sorted(range(len(placed)), key=wanted.__getitem__)
    for before, after in pairwise(top_down):
        placed[after] = max(placed[after], placed[before] + LABEL_PIXELS_MIN)
    return placed
