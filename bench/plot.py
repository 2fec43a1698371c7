"""A small SVG chart of lines over two logarithmic axes, readable in dark and in light."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 860, 560
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 46, 50
LABEL = 15
"""Pixels between two labels at the ends of lines."""
COLOURS = (
    "#d1495b", "#2e86ab", "#4d9078", "#b5651d", "#8e6bbf", "#7a7a2c", "#c2578a", "#3b8ea5", "#8a8a8a", "#a0522d",
    "#5566cc",
)  # fmt: skip
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #222 } .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #ddd } .axis { stroke: #888 } .guide { stroke: #888; stroke-dasharray: 5 5 } .paper { fill: #fff }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #333 } .paper { fill: #111 } }
"""


def chart(title: str, x_name: str, y_name: str, lines: Mapping[str, Points], guide: Points = ()) -> str:
    """The SVG text. The first line is drawn stronger; `guide` is dashed and has no label."""
    plane = _Plane([p for points in (*lines.values(), guide) for p in points])
    shapes = [*plane.grid(), _path(plane, guide, 'class="guide"')] if guide else [*plane.grid()]
    ends = _spread({name: plane.y(points[-1][1]) for name, points in lines.items()})
    for i, (name, points) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        shapes.append(_path(plane, points, f'stroke="{colour}" stroke-width="{3.5 if i == 0 else 1.8}"'))
        shapes += [f'<circle cx="{plane.x(x):.1f}" cy="{plane.y(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        at_x, at_y = plane.x(points[-1][0]) + 10, ends[name] + 4
        shapes.append(f'<text x="{at_x:.1f}" y="{at_y:.1f}" style="fill:{colour}">{escape(name)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    shapes += [
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text x="18" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 18 {HEIGHT / 2})">{escape(y_name)}</text>',
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    paper = f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", paper, *shapes, "</svg>"]) + "\n"


class _Plane:
    """From values to pixels."""

    def __init__(self, points: Points) -> None:
        self._x = (min(x for x, _ in points), max(x for x, _ in points))
        low, high = min(y for _, y in points), max(y for _, y in points)
        self._y = (10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))

    def x(self, value: float) -> float:
        return LEFT + _share(value, *self._x) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - _share(value, *self._y) * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> Iterable[str]:
        """A line and a number for each power of ten."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        for y in _powers(*self._y):
            at = self.y(y)
            yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{y:,g}</text>'
        for x in _powers(*self._x):
            at = self.x(x)
            yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>'
            yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{int(x):,}</text>'


def _share(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low)


def _powers(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**k for k in range(first, last + 1)]


def _path(plane: _Plane, points: Points, style: str) -> str:
    places = " ".join(f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" {style}/>'


def _spread(wanted: Mapping[str, float]) -> dict[str, float]:
    """Moves labels that would lie over one another down, from the highest on."""
    found: dict[str, float] = {}
    last = -math.inf
    for name, y in sorted(wanted.items(), key=lambda item: item[1]):
        last = found[name] = max(y, last + LABEL)
    return found
