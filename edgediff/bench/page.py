"""A report as one HTML page that needs nothing beside itself, and its charts as one SVG file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from edgediff.bench.charts import charts, label
from edgediff.bench.figures import (
    COMPONENT_COLUMNS,
    METRIC_COLUMNS,
    OPERATOR_COLUMNS,
    RATIO_COLUMNS,
    SUSTAINED_COLUMNS,
    component_rows,
    condition_lines,
    metric_rows,
    operator_rows,
    ratio_rows,
    sustained_rows,
)
from edgediff.bench.reporting import Report
from edgediff.bench.trust import doubts
from edgediff.svg import STYLE, stacked
from edgediff.targets import write_whole

_PAGE_STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #69727d; --rule: #e3e6ea; --paper: #ffffff; --warn: #b3541e; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e8eaed; --soft: #a2abb5; --rule: #363c44; --paper: #1b1f24; --warn: #f0ab55; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.soft { color: var(--soft); margin-top: 0; } p.warn { color: var(--warn); font-weight: 600; }
.wide { margin-bottom: 1.2rem; } .figures td { white-space: nowrap; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.87rem; }
th { text-align: left; font-weight: 600; color: var(--soft); } td + td, th + th { text-align: right; }
table.text td + td { text-align: left; }
th, td { padding: 0.22rem 0.9rem 0.22rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
.wide { overflow-x: auto; } figure { margin: 1.4rem 0; }
"""
_NOTES = """
Every figure is from processes of their own: one draws whole pictures, one for each graph loads and calls it alone.

Cold start runs from the start of a process to its first picture. A cold load is the first in a process, after the
system was asked to drop the bundle's files from its cache; a warm load is the second in the same process. The engine
keeps no compiled cache.

GFLOP counts multiplications and additions of convolutions and matrix products in the graph as exported; the matmul peak
is the fastest large matrix product that this machine did in the same precision and threads.

Operators are counted as exported and as ONNX Runtime computes them; fused are those of a type that it made of others.

Export error: largest difference of a graph from the module it was traced from, by the largest output, as the manifest
has it. Ratios are of pairs measured one right after the other; their spread is that of the rounds.
"""


def write_page(report: Report, path: Path) -> None:
    """Write the report as an HTML page, whole or not at all."""
    write_whole(path, page(report))


def write_plot(report: Report, path: Path) -> None:
    """Write the report's charts as one SVG file, whole or not at all."""
    write_whole(path, stacked(charts(report)))


def page(report: Report) -> str:
    """The HTML."""
    names = ", ".join(case["name"] for case in report["cases"])
    body = [f"<h1>What {escape(names)} {'costs' if len(report['cases']) == 1 else 'cost'} here</h1>"]
    body.append(f'<p class="soft">Measured by edgediff on {escape(report["machine"]["date"])}</p>')
    if report["partial"]:
        body.append('<p class="warn">Partial: the measurement was ended before it was done.</p>')
    body += [f'<p class="warn">Note: {escape(doubt)}.</p>' for doubt in doubts(report)]
    body += [f"<figure>{figure}</figure>" for figure in charts(report)]
    for index, _ in enumerate(report["cases"][0]["works"]):
        for case in report["cases"]:
            work = case["works"][index]
            if not work["summary"]:
                continue
            body.append(f"<h2>{escape(label(case, work))}</h2>")
            body.append(_table(METRIC_COLUMNS, metric_rows(work)))
            body.append(_table(COMPONENT_COLUMNS, component_rows(case, work)))
            if rows := operator_rows(work):
                body.append(_table(OPERATOR_COLUMNS, rows))
            if rows := sustained_rows(work):
                body.append(_table(SUSTAINED_COLUMNS, rows))
        if rows := ratio_rows(report, index):
            body += ["<h2>Ratios</h2>", _table(RATIO_COLUMNS, rows)]
    body += ["<h2>Conditions</h2>", _table((), condition_lines(report), kind="text")]
    body += ["<h2>How it was measured</h2>", *(f"<p>{escape(note)}</p>" for note in _NOTES.strip().split("\n\n"))]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>edgediff bench: {escape(names)}</title>\n<style>{_PAGE_STYLE}{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "figures") -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    inside = (f"<tr>{head}</tr>\n" if columns else "") + "\n".join(lines)
    return f'<div class="wide"><table class="{kind}">\n{inside}\n</table></div>'
