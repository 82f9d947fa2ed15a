"""From runs to medians, tables and JSON."""

import statistics

from common import machine_text, table
from measures import MEASURES, Metric
from tunnels import TUNNELS


def figure(value):
    """Three digits, and no more zeros than that."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if value else "0"


def summary(results, sizes):
    """Each metric that was asked for with every tunnel's samples, or why it has none."""
    metrics = []
    for name in results["measures"]:
        for metric in MEASURES[name].metrics(sizes):
            tools = {tool: s for tool in results["tools"]
                     if (s := _samples(results["runs"], name, metric, tool))}
            metrics.append({"name": metric.name, "measure": name, "title": metric.title,
                            "unit": metric.unit, "more_is_better": metric.more_is_better,
                            "tools": tools})
    return metrics


def _samples(runs, measure, metric: Metric, tool):
    of_tool = [r for r in runs if r["measure"] == measure and r["tool"] == tool]
    values = [r["values"][metric.name] for r in of_tool if metric.name in r["values"]]
    if values:
        return {"samples": values, "median": statistics.median(values),
                "min": min(values), "max": max(values)}
    errors = [r["error"] for r in of_tool if "error" in r]
    return {"failed": errors[0]} if errors else None


def failures(results):
    """What went wrong, a line each."""
    return [f"{r['measure']}, {TUNNELS[r['tool']].title}: {r['error']}"
            for r in results["runs"] if "error" in r] + results["problems"]


def _cell(found):
    if not found:
        return "-"
    if "failed" in found:
        return "failed"
    if len(found["samples"]) == 1:
        return figure(found["median"])
    return f"{figure(found['median'])} ({figure(found['min'])}-{figure(found['max'])})"


def _ratio(metric, other):
    ours, theirs = (metric["tools"].get(name, {}).get("median") for name in ("toxtun", other))
    return f"{ours / theirs:.2f}" if ours is not None and theirs else "-"


def lines(results):
    """The table, and what is to be said about it."""
    tools = list(results["tools"])
    others = [t for t in tools if t != "toxtun"] if "toxtun" in tools else []
    header = ["median (least-most)", "", *(TUNNELS[t].title for t in tools),
              *(f"to {TUNNELS[t].title}" for t in others)]
    rows = [[m["title"], m["unit"], *(_cell(m["tools"].get(t)) for t in tools),
             *(_ratio(m, t) for t in others)] for m in results["metrics"]]
    text = table(header, rows)
    text += [""] + ["The last columns are what toxtun's median is of the others'."] * bool(others)
    text += [f"{results['when']}, {results['seconds'] / 60:.1f} minutes. "
             + machine_text(results["machine"]) + ".", ""]
    text += [f"- {TUNNELS[t].title}: {version}" for t, version in results["tools"].items()
             if version]
    text += [f"- {TUNNELS[t].title} is missing: package {package}"
             for t, package in results["missing"].items()]
    text += [f"- failed: {line}" for line in failures(results)]
    return text


def put_into(page, text, command="make bench"):
    """Replaces what is between the two marks of a page, the first of which names the command that
    the figures are of."""
    marks = (f"<!-- the figures of `{command}` -->\n", "<!-- end of the figures -->\n")
    old = page.read_text(encoding="utf-8")
    before, mark, rest = old.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not mark or not end:
        raise ValueError(f"{page} lacks the line {marks[1 if mark else 0].strip()!r}")
    page.write_text(before + mark + "\n" + "\n".join(text) + "\n\n" + end + after, encoding="utf-8")
