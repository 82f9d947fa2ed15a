"""Draws what was measured as bars, in an SVG that needs nothing from anywhere else."""

import math
import textwrap
from xml.sax.saxutils import escape

from common import machine_text
from report import figure
from tunnels import TUNNELS

# Metrics that are drawn, by the beginnings of their names; of several the last, which has the
# largest count.
PANELS = ("download", "upload", "both_down", "both_up", "at_once", "rtt_median", "open",
          "open_link", "start", "download_cpu", "memory_client_", "clients_")

WIDTH = 880
COLUMNS = 2
MARGIN = 24
HEAD = 76          # above the panels
PANEL_WIDTH = (WIDTH - MARGIN * (COLUMNS + 1)) // COLUMNS
NAMES = 72         # for the names of the tunnels, left of the bars
FIGURES = 44       # for the figure of the longest bar, right of it
PANEL_HEAD = 26
BAR, PITCH = 14, 22
AXIS = 34          # below the bars: ticks, and room to the next panel
LINE = 17          # of text below the panels

# A background of its own keeps it readable wherever it is shown.
STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 18px; font-weight: 600 }
.head { font-size: 13px; font-weight: 600 }
.soft, .tick { fill: #57606a }
.tick { font-size: 11px; text-anchor: middle }
.name { text-anchor: end }
.back { fill: #ffffff; stroke: #d0d7de }
.grid { stroke: #d8dee4 }
.spread { stroke: #24292f; stroke-width: 1.5 }
.toxtun { fill: #0969da } .direct { fill: #8c959f } .ssh { fill: #2da44e } .kcptun { fill: #d4762c }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.soft, .tick { fill: #9198a1 }
.back { fill: #0d1117; stroke: #30363d }
.grid { stroke: #2a3038 }
.spread { stroke: #e6edf3 }
.toxtun { fill: #4493f8 } .direct { fill: #6e7681 } .ssh { fill: #3fb950 } .kcptun { fill: #db8a45 }
}
"""


def element(name, text=None, **attributes):
    """One element; underscores of attribute names stand for dashes, `klass` for class."""
    words = "".join(f' {key.replace("klass", "class").replace("_", "-")}="{value}"'
                    for key, value in attributes.items())
    return f"<{name}{words}/>" if text is None else f"<{name}{words}>{escape(text)}</{name}>"


def ticks(most):
    """Round figures from 0 to the first that is not below `most`: three to six of them."""
    rough = most / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
    return [step * i for i in range(math.ceil(most / step - 1e-9) + 1)]


def chosen(metrics):
    """The metrics of the panels, as far as somebody was measured."""
    found = []
    for start in PANELS:
        matches = [m for m in metrics if m["name"] == start or
                   (start.endswith("_") and m["name"].removeprefix(start).isdigit())]
        found += [m for m in matches[-1:] if any("median" in t for t in m["tools"].values())]
    return found


def panel(metric, tools, x, y):
    """One metric: a bar for each tunnel, with its figure, the spread and an axis from 0."""
    rows = [(tool, metric["tools"][tool]) for tool in tools if tool in metric["tools"]]
    axis = ticks(max(0, *(found.get("max", 0) for _, found in rows)) or 1)
    left, top = x + NAMES, y + PANEL_HEAD
    scale = (PANEL_WIDTH - NAMES - FIGURES) / axis[-1]
    bottom = top + len(rows) * PITCH
    better = "more" if metric["more_is_better"] else "less"
    yield (f'<text class="head" x="{x}" y="{y + 12}">{escape(metric["title"])}'
           f'<tspan class="soft" font-weight="400">, {escape(metric["unit"])}: {better} is better'
           "</tspan></text>")
    for value in axis:
        at = round(left + value * scale, 1)
        yield element("line", klass="grid", x1=at, x2=at, y1=top - 2, y2=bottom)
        yield element("text", figure(value), klass="tick", x=at, y=bottom + 13)
    for i, (tool, found) in enumerate(rows):
        middle = top + i * PITCH + PITCH / 2 - 1
        yield element("text", TUNNELS[tool].title, klass="name", x=left - 6, y=middle + 4)
        if "failed" in found:
            yield element("text", "failed", klass="soft", x=left + 6, y=middle + 4)
            continue
        yield element("rect", klass=tool, x=left, y=middle - BAR / 2, height=BAR, rx=1.5,
                      width=max(0, round(found["median"] * scale, 1)))
        least, most = (round(left + found[key] * scale, 1) for key in ("min", "max"))
        if most > least:
            yield element("line", klass="spread", x1=least, x2=most, y1=middle, y2=middle)
        yield element("text", figure(found["median"]), x=most + 6, y=middle + 4)


def draw(results):
    metrics = chosen(results["metrics"])
    tools = list(results["tools"])
    drawn, bottom = [], HEAD
    for row in (metrics[i:i + COLUMNS] for i in range(0, len(metrics), COLUMNS)):
        for column, metric in enumerate(row):
            drawn += panel(metric, tools, MARGIN + column * (PANEL_WIDTH + MARGIN), bottom)
        bottom += PANEL_HEAD + max(len(m["tools"]) for m in row) * PITCH + AXIS
    notes = textwrap.wrap(
        f"Medians of up to {results['sizes']['repeats']}, with lines from the least to the most. "
        f"Both ends and the load on one machine, {results['when']}: "
        + machine_text(results["machine"]) + ".", 130)
    total = bottom + len(notes) * LINE + MARGIN
    title = "toxtun beside " + ", ".join(TUNNELS[t].title for t in tools if t != "toxtun")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" '
        f'height="{total}" role="img">',
        element("title", title), f"<style>{STYLE}</style>",
        element("rect", klass="back", x=0.5, y=0.5, width=WIDTH - 1, height=total - 1, rx=6),
        element("text", title, klass="title", x=MARGIN, y=36),
        element("text", "A TCP service reached in different ways, on one machine", klass="soft",
                x=MARGIN, y=56), *drawn]
    for i, line in enumerate(notes):
        parts.append(element("text", line, klass="soft", x=MARGIN, y=bottom + LINE * (i + 0.5)))
    return "\n".join([*parts, "</svg>"]) + "\n"
