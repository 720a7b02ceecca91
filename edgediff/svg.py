"""Charts as SVG text: bars, lines, areas. No script, no font, nothing to fetch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias, final

Points: TypeAlias = Sequence[tuple[float, float]]

WIDTH = 860
_LEFT, _RIGHT, _BOTTOM = 64, 24, 46
_COLOURS = 6
_LETTER, _ROW = 6.6, 18  # about the width of a letter; the height of a row of a legend

# Colours that stay apart for readers who see red and green alike (after Okabe and Ito), a shade darker on white.
STYLE = """
svg { --ink: #1d2329; --soft: #69727d; --grid: #e3e6ea; --paper: #ffffff;
  --c0: #2f6fb0; --c1: #e08a1e; --c2: #1f9a75; --c3: #a4508b; --c4: #8a8f98; --c5: #c24a35;
  font: 12px system-ui, sans-serif; background: var(--paper); max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) { svg { --ink: #e8eaed; --soft: #a2abb5; --grid: #363c44; --paper: #1b1f24;
  --c0: #6ea8e0; --c1: #f0ab55; --c2: #55c7a2; --c3: #cf86b9; --c4: #a7adb6; --c5: #e57f6b; } }
svg text { fill: var(--ink); } svg .soft { fill: var(--soft); } svg .title { font-size: 14px; font-weight: 600; }
svg .grid { stroke: var(--grid); } svg .line { fill: none; stroke-width: 2; } svg .mark { stroke-dasharray: 3 4; }
svg .ring { stroke: var(--ink); } svg .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
""" + "".join(f"svg .f{i} {{ fill: var(--c{i}); }} svg .s{i} {{ stroke: var(--c{i}); }}\n" for i in range(_COLOURS))


@final
@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart; ``dots`` marks its points, for where there are few, and ``names`` are theirs."""

    name: str
    points: Points
    dots: bool = False
    names: Sequence[str] = ()


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """Words at a point; where one of its numbers is None, at a line across the plane."""

    words: str
    x: float | None = None
    y: float | None = None


def bars(title: str, rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], *, unit: str) -> str:
    """Stacked horizontal bars, a row each: ``(label, [(part, value), ...])``; every row has the same parts."""
    parts = [name for name, _ in rows[0][1]]
    longest = max(sum(value for _, value in row) for _, row in rows)
    left, bar, gap = 2, 26, 26
    scale = (WIDTH - left - 130) / (longest or 1.0)
    legend, more = _legend(parts, y=52)
    body = [legend]
    y = 78.0 + more
    for label, row in rows:
        body.append(f'<text class="soft" x="{left}" y="{y + 4:.1f}">{escape(label)}</text>')
        x = float(left)
        for index, (name, value) in enumerate(row):
            width = max(value * scale, 0.0)
            tip = f"<title>{escape(name)}: {value:.4g} {escape(unit)}</title>"
            colour = f"f{index % _COLOURS}"
            body.append(
                f'<rect class="{colour}" x="{x:.1f}" y="{y + 12:.1f}" width="{width:.1f}" height="{bar}">{tip}</rect>'
            )
            x += width
        total = sum(value for _, value in row)
        body.append(f'<text x="{x + 8:.1f}" y="{y + 30:.1f}">{total:.3g} {escape(unit)}</text>')
        y += bar + gap + 8
    return _figure(title, body, height=y + 4)


def lines(title: str, series: Sequence[Series], *, x_label: str, y_label: str, height: int = 320) -> str:
    """Lines over a plane whose axes both begin at zero."""
    legend, more = _legend([one.name for one in series], y=44)
    height += more
    frame = _Frame.around([point for one in series for point in one.points], height=height, top=62 + more)
    body = [frame.axes(x_label, y_label), legend]
    for index, one in enumerate(series):
        colour = index % _COLOURS
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in one.points)
        dashes = ' stroke-dasharray="6 4"' if index >= _COLOURS else ""  # the colours begin again
        body.append(f'<polyline class="line s{colour}"{dashes} points="{path}"/>')
        body += [_dot(frame, x, y, colour=colour, name=one.name) for x, y in one.points if one.dots]
    return _figure(title, body, height=height)


def dots(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    colours: Sequence[int],
    marks: Sequence[Mark] = (),
) -> str:
    """Points over a plane whose axes both begin at zero; a series has a colour, and a mark a ring and its words.

    Args:
        title: The line above it.
        series: Groups of points.
        x_label: What the axis to the right counts.
        y_label: What the axis upwards counts.
        colours: That of each series.
        marks: Points with words, and lines across the plane where one of the two numbers is None.
    """
    legend, more = _legend([one.name for one in series], y=44, colours=colours)
    height, top = 420 + more, 74 + more
    ends = [(mark.x or 0.0, mark.y or 0.0) for mark in marks]
    points = [*ends, *(point for one in series for point in one.points)]
    farthest = max((x for x, _ in points), default=1.0)
    frame = _Frame.around([*points, (1.04 * farthest, 0.0)], height=height, top=top)  # no point on the edge
    body = [frame.axes(x_label, y_label), legend]
    for colour, one in zip(colours, series, strict=True):
        names = one.names or [one.name] * len(one.points)
        body += [_dot(frame, x, y, colour=colour, name=name) for (x, y), name in zip(one.points, names, strict=True)]
    body += [_mark(frame, mark) for mark in marks]
    return _figure(title, body, height=height)


def memory(title: str, resident: Points, anonymous: Points, marks: Sequence[tuple[float, str]]) -> str:
    """Two areas over time, the second inside the first, and a line where each phase begins."""
    height = 350
    frame = _Frame.around([*resident, *anonymous], height=height, top=98)
    body = [frame.axes("seconds since the process began", "MB")]
    for colour, points in ((4, resident), (0, anonymous)):
        base = frame.y(0)
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        base_line = f"{frame.x(points[-1][0]):.1f},{base:.1f} {frame.x(points[0][0]):.1f},{base:.1f}"
        body.append(f'<polygon class="f{colour}" fill-opacity="0.45" points="{path} {base_line}"/>')
        body.append(f'<polyline class="line s{colour}" points="{path}"/>')
    ends = [0.0] * 3  # where the last name on each of three lines ends
    for at, name in marks:
        x = frame.x(at)
        width = _LETTER * len(name) + 8
        starts = x if x + width < WIDTH else x - width
        line = next((index for index, end in enumerate(ends) if end <= starts), len(ends) - 1)
        ends[line], y = starts + width, 62 + 13 * line
        body.append(f'<line class="s4 mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 4}" y2="{frame.y(0):.1f}"/>')
        anchor = "start" if starts == x else "end"
        body.append(f'<text class="soft" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(name)}</text>')
    names = ["anonymous: belongs to no file", "resident: with pages of mapped files"]
    body.append(_legend(names, y=44, colours=(0, 4))[0])
    return _figure(title, body, height=height)


@final
@dataclass(frozen=True, slots=True)
class _Frame:
    """Where numbers stand on the picture."""

    x_max: float
    y_max: float
    height: int
    top: int

    @classmethod
    def around(cls, points: Points, *, height: int, top: int) -> _Frame:
        x_max, y_max = (max((point[axis] for point in points), default=1.0) or 1.0 for axis in (0, 1))
        return cls(x_max, y_max * 1.08, height, top)

    def x(self, value: float) -> float:
        return _LEFT + value / self.x_max * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return self.height - _BOTTOM - value / self.y_max * (self.height - _BOTTOM - self.top)

    def axes(self, x_label: str, y_label: str) -> str:
        base, right = self.y(0), WIDTH - _RIGHT
        body = []
        for tick in ticks(self.y_max):
            y = self.y(tick)
            body.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            body.append(f'<text class="soft" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        for tick in ticks(self.x_max):
            x = self.x(tick)
            body.append(f'<text class="soft" x="{x:.1f}" y="{base + 17:.1f}" text-anchor="middle">{tick:g}</text>')
        middle = (self.top + base) / 2
        body.append(
            f'<text class="soft" x="{(_LEFT + right) / 2}" y="{base + 36:.1f}" text-anchor="middle">'
            f"{escape(x_label)}</text>"
        )
        body.append(
            f'<text class="soft" transform="translate(16 {middle:.1f}) rotate(-90)" text-anchor="middle">'
            f"{escape(y_label)}</text>"
        )
        return "\n".join(body)


def ticks(largest: float) -> list[float]:
    """Round numbers from 0 up to ``largest`` (above 0), four to ten of them."""
    magnitude = 10.0 ** math.floor(math.log10(largest))
    step = next(magnitude * factor for factor in (2, 1, 0.5, 0.2) if largest / (magnitude * factor) >= 4)  # noqa: PLR2004 - four ticks at least
    return [round(index * step, 12) for index in range(int(largest / step + 1e-9) + 1)]


def stacked(figures: Sequence[str]) -> str:
    """Several figures as one SVG file, one below the other."""
    y, body = 0.0, []
    for figure in figures:
        height = float(figure.split('height="', 1)[1].split('"', 1)[0])
        body.append(figure.replace("<svg ", f'<svg y="{y:.0f}" ', 1))
        y += height + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" height="{y:.0f}">\n'
        f'<style>{STYLE}</style>\n<rect width="100%" height="100%" style="fill: var(--paper)"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _figure(title: str, body: Sequence[str], *, height: float) -> str:
    inside = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(title, quote=True)}">\n'
        f'<text class="title" x="2" y="22">{escape(title)}</text>\n{inside}\n</svg>'
    )


def _legend(names: Sequence[str], *, y: int, colours: Sequence[int] = tuple(range(_COLOURS))) -> tuple[str, int]:
    """Names with their colours, in as many rows as they need, and the height of all rows but the first."""
    x, row, body = 2.0, 0, []
    for index, name in enumerate(names):
        width = 40 + _LETTER * len(name)
        if x > 2 and x + width > WIDTH:  # noqa: PLR2004 - the left edge
            x, row = 2.0, row + 1
        at = y + _ROW * row
        colour = colours[index % len(colours)]
        body.append(f'<rect class="f{colour}" x="{x:.0f}" y="{at - 10}" width="11" height="11" rx="2"/>')
        body.append(f'<text x="{x + 16:.0f}" y="{at}">{escape(name)}</text>')
        x += width
    return "\n".join(body), _ROW * row


def _dot(frame: _Frame, x: float, y: float, *, colour: int, name: str) -> str:
    tip = f"<title>{escape(name)}: {x:.4g}, {y:.4g}</title>"
    return f'<circle class="f{colour}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="4">{tip}</circle>'


def _mark(frame: _Frame, mark: Mark) -> str:
    words = escape(mark.words)
    if mark.y is None and mark.x is not None:
        x, side = frame.x(mark.x), "end" if mark.x > frame.x_max / 2 else "start"
        line = f'<line class="s5 mark" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.top}" y2="{frame.y(0):.1f}"/>'
        shift = -5 if side == "end" else 5
        return f'{line}<text class="soft" x="{x + shift:.1f}" y="{frame.top - 4}" text-anchor="{side}">{words}</text>'
    if mark.x is None and mark.y is not None:
        y = frame.y(mark.y)
        line = f'<line class="s5 mark" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        return f'{line}<text class="soft" x="{_LEFT + 5}" y="{y - 5:.1f}">{words}</text>'
    x, y = frame.x(mark.x or 0.0), frame.y(mark.y or 0.0)
    width = _LETTER * len(mark.words)
    at = min(max(x, _LEFT + width / 2), WIDTH - _RIGHT - width / 2)
    ring = f'<circle class="line ring" cx="{x:.1f}" cy="{y:.1f}" r="8"/>'
    return f'{ring}<text class="halo" x="{at:.1f}" y="{y - 14:.1f}" text-anchor="middle">{words}</text>'
