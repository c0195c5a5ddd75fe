"""Charts as SVG: lines over time and horizontal bars. Pure; without script and without inline style.

Colours are attributes, since the pages' content policy bars inline style. Each chart has a title and a
description for screen readers; the numbers stand in the table beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import floor, log10
from unicodedata import east_asian_width

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 32, 16, 36
COLOURS = ("#15508f", "#a3161f", "#1c6b3c")
DASHES = ("", "6 4", "2 3")
"""Lines differ by dashes too, for whoever does not tell the colours apart."""
_INK, _SOFT, _GRID = "#1a2430", "#4d5a68", "#d3dae2"
ROW, NAMES = 26, 240
WIDE, NARROW = 13.0, 7.6
"""How wide a Chinese sign is, and what a Latin one takes at most but for a few capitals."""

Value = int | float | None
Place = Callable[[float], float]
"""Where a number stands on an axis."""


def line_chart(
    id: str,
    title: str,
    description: str,
    labels: Sequence[str],
    lines: Sequence[tuple[str, Sequence[Value]]],
    most: float | None = None,
) -> str:
    """Draw lines over `labels`; a None breaks a line. `most` fixes the top of the scale, such as 100 (%)."""
    values = [v for _, line in lines for v in line if v is not None]
    top = most or nice(max(values, default=0))
    steps = max(len(labels) - 1, 1)

    left = max(LEFT, 16 + max(_width(number(top * quarter / 4)) for quarter in range(5)))

    def x(at: float) -> float:
        return left + (WIDTH - left - RIGHT) * at / steps

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(value, top) / top)

    parts = [*_grid(top, y, left), *_days(labels, x)]
    for i, (_, line) in enumerate(lines):
        parts += _line(line, x, y, COLOURS[i % 3], DASHES[i % 3])
    return _svg(id, title, description, WIDTH, HEIGHT, parts)


def bar_chart(id: str, title: str, description: str, bars: Sequence[tuple[str, Value]]) -> str:
    """Draw a horizontal bar for each name, with its value behind it; a None has no bar."""
    height = ROW * max(len(bars), 1) + 8
    most = max((v for _, v in bars if v is not None), default=0) or 1
    room = WIDTH - NAMES - 16 - max((_width(_shown(value)) for _, value in bars), default=0)
    parts: list[str] = []
    for at, (name, value) in enumerate(bars):
        y = ROW * at + 4
        parts.append(_text(NAMES - 8, y + 16, _shortened(name, NAMES - 16), "end", _INK))
        if value is not None:
            width = max(room * value / most, 1)
            parts.append(
                f'<rect x="{NAMES}" y="{y + 3}" width="{width:.1f}" height="{ROW - 9}" fill="{COLOURS[0]}"/>'
            )
        behind = NAMES + (room * value / most if value is not None else 0)
        parts.append(_text(behind + 6, y + 16, _shown(value), "start", _INK))
    return _svg(id, title, description, WIDTH, height, parts)


def number(value: int | float) -> str:
    """Return a number with thousands apart, whole ones without a point."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}".rstrip("0")


def nice(most: float) -> float:
    """Return the top of a scale that holds `most`, whose quarters are whole and round, 4 at least."""
    if most <= 12:
        return next(top for top in (4, 8, 12) if top >= most)
    power = 10.0 ** (floor(log10(most)) - 1)
    return next(step * power for step in (12, 16, 20, 24, 32, 40, 60, 80, 100) if step * power >= most)


def _shown(value: Value) -> str:
    return "—" if value is None else number(value)


def _width(words: str) -> float:
    return sum(WIDE if east_asian_width(sign) in "WF" else NARROW for sign in words)


def _shortened(words: str, room: float) -> str:
    """Return words, or as many of their signs as there is room for."""
    if _width(words) <= room:
        return words
    while words and _width(words) + WIDE > room:
        words = words[:-1]
    return f"{words}…"


def _line(line: Sequence[Value], x: Place, y: Place, colour: str, dash: str) -> Iterator[str]:
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in enumerate(line):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x(at), y(value)))
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    for run in runs:
        if len(run) == 1:
            yield f'<circle cx="{run[0][0]:.1f}" cy="{run[0][1]:.1f}" r="3" fill="{colour}"/>'
        elif run:
            points = " ".join(f"{px:.1f},{py:.1f}" for px, py in run)
            yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'


def _grid(top: float, y: Place, left: float) -> Iterator[str]:
    for quarter in range(5):
        value = top * quarter / 4
        at = y(value)
        yield f'<path d="M{left:.1f} {at:.1f}H{WIDTH - RIGHT}" stroke="{_GRID}"/>'
        yield _text(left - 8, at + 4, number(value), "end", _SOFT)


def _days(labels: Sequence[str], x: Place) -> Iterator[str]:
    """Yield the labels below the line, as many as there is room for."""
    every = -(-len(labels) // 8)
    for at, label in enumerate(labels):
        if at % every == 0:
            yield _text(x(at), HEIGHT - 12, label, "middle", _SOFT)


def _text(x: float, y: float, words: str, anchor: str, colour: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-size="13">{_plain(words)}</text>'


def _plain(words: str) -> str:
    """Return words as XML may hold them: escaped, without control characters."""
    return escape("".join(c for c in words if c.isprintable()))


def _svg(id: str, title: str, description: str, width: int, height: int, parts: Sequence[str]) -> str:
    named = f'role="img" aria-labelledby="{id}-title {id}-desc"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="100%" {named}>'
        f'<title id="{id}-title">{_plain(title)}</title><desc id="{id}-desc">{_plain(description)}</desc>'
        f"{''.join(parts)}</svg>"
    )
