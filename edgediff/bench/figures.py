"""Rows of the tables that a terminal and a page show: text, with units."""

from __future__ import annotations

from typing import Any, TypeAlias

from edgediff.bench.charts import label
from edgediff.bench.reporting import Report
from edgediff.bench.sustaining import rows_by_minute
from edgediff.bench.trust import is_beyond_peak
from edgediff.shares import shares_text
from edgediff_runtimes.engines import Share

Row: TypeAlias = tuple[str, ...]

NOT_AVAILABLE = "not available"
# metric -> what a reader calls it
NAMES = {
    "import_s": "import",
    "cold_start_s": "cold start to first picture",
    "cold_load_s": "cold load, all graphs",
    "warm_load_s": "warm load, all graphs",
    "text_s": "text encoding",
    "step_s": "one step",
    "overhead_step_s": "of it sampler and loop",
    "decode_s": "decode",
    "total_s": "one run, end to end",
    "images_per_hour": "images per hour",
    "cpu_s": "processor time of a run",
    "energy_j": "energy of a run",
    "peak_rss_bytes": "peak memory",
    "steady_rss_bytes": "memory after a run",
}
METRIC_COLUMNS = ("figure", "median", "p90", "min", "max", "n")
COMPONENT_COLUMNS = (
    "graph",
    "computed in",
    "by (share of the time)",
    "calls",
    "one call",
    "cold load",
    "warm load",
    "load peak",
    "run peak",
    "steady",
    "GFLOP a call",
    "GFLOP/s",
    "of matmul peak",
    "export error",
)
OPERATOR_COLUMNS = ("graph", "exported", "computed", "fused", "of these")
SUSTAINED_COLUMNS = ("from", "to", "pictures", "steps per minute", "of the first", "energy per picture")
RATIO_COLUMNS = ("figure", "case", "to", "ratio", "min", "max", "n")


def metric_rows(work: dict[str, Any]) -> list[Row]:
    """One row per metric of a case's work."""
    rows: list[Row] = []
    for metric, name in NAMES.items():
        summary = work["summary"].get(metric)
        if summary is None:
            rows.append((name, NOT_AVAILABLE, "", "", "", ""))
        else:
            values = (quantity(metric, summary[key]) for key in ("median", "p90", "min", "max"))
            rows.append((name, *values, str(summary["n"])))
    return rows


def component_rows(case: dict[str, Any], work: dict[str, Any]) -> list[Row]:
    """One row per graph of a case's work; a report before 1.4 does not say who computed it."""
    rows = []
    for role, part in work["components"].items():
        error = case["export_error"].get(role)
        share = part["share_of_matmul_peak"]
        rows.append(
            (
                role,
                part["execution"],
                shares_text({name: Share(**share) for name, share in part.get("shares", {}).items()}),
                str(part["calls_per_picture"]),
                *(_median(f"{name}_s", part[f"{name}_s"]) for name in ("call", "cold_load", "warm_load")),
                *(_median("_bytes", part[f"{name}_rss_bytes"]) for name in ("load_peak", "peak", "steady")),
                NOT_AVAILABLE if part["flops_per_call"] is None else f"{part['flops_per_call'] / 1e9:.3g}",
                NOT_AVAILABLE if part["gflops"] is None else f"{part['gflops']:.3g}",
                NOT_AVAILABLE if share is None else f"{100 * share:.0f} %" + " (see the notes)" * is_beyond_peak(part),
                "not measured" if error is None else f"{error:.1e}",
            )
        )
    return rows


def operator_rows(work: dict[str, Any]) -> list[Row]:
    """One row per graph whose operators were counted; none in a report before 1.2."""
    rows = []
    for role, counts in work.get("operators", {}).items():
        if counts is not None:
            made = sorted(counts["fused"].items(), key=lambda item: -item[1])
            told = ", ".join(f"{number} {name}" for name, number in made)
            totals = (str(sum(counts[which].values())) for which in ("exported", "computed", "fused"))
            rows.append((role, *totals, told or "none"))
    return rows


def sustained_rows(work: dict[str, Any]) -> list[Row]:
    """A row a minute of the pictures that were drawn on; none where none were, and in a report before 1.3."""
    pictures = work.get("sustained")
    return rows_by_minute(pictures) if pictures else []


def ratio_rows(report: Report, index: int) -> list[Row]:
    """Ratios of the cases to the first, for one work."""
    rows = []
    for entry in report["ratios"]:
        if entry["work"] == index:
            ratio = entry["ratio"]
            name = NAMES[entry["metric"]] + ("" if entry["same_work"] else " (other settings!)")
            values = (f"{ratio[key]:.3f}" for key in ("median", "min", "max"))
            rows.append((name, entry["case"], entry["to"], *values, str(ratio["n"])))
    return rows


def comparison_rows(rows: list[dict[str, Any]]) -> list[Row]:
    """Rows of ``comparing.compare`` as text."""
    told = []
    for row in rows:
        values = (quantity(row["metric"], row[key]) for key in ("old", "new"))
        ratio = row["ratio"]
        spread = f"{ratio['min']:.3f} to {ratio['max']:.3f}"
        what = label({"name": row["case"]}, row)
        told.append((what, NAMES[row["metric"]], *values, f"{ratio['median']:.3f}", spread))
    return told


def growth(row: dict[str, Any]) -> str:
    """A row of ``comparing.compare`` that grew, in words."""
    old, new = (quantity(row["metric"], row[key]) for key in ("old", "new"))
    what = f"{label({'name': row['case']}, row)}: {NAMES[row['metric']]}"
    return f"{what} grew from {old} to {new}, by {100 * (row['ratio']['median'] - 1):.1f} %"


COMPARISON_COLUMNS = ("what", "figure", "old", "new", "new / old", "range")


def condition_lines(report: Report) -> list[Row]:
    """Machine and protocol, a name and a text each."""
    machine, protocol = report["machine"], report["protocol"]
    peaks = {name: max(by.values(), default=None) for name, by in report["matmul_peak_gflops"].items()}
    known = [f"{value:.0f} GFLOP/s in {name}" for name, value in peaks.items() if value is not None]
    gigabytes = None if machine["memory_bytes"] is None else f"{machine['memory_bytes'] / 1e9:.0f} GB"
    load, others = machine["load_at_start"], machine.get("others_share")
    return [
        ("processor", f"{machine['cpu']}, {machine['cores']} cores usable, {gigabytes or NOT_AVAILABLE}"),
        ("system", f"{machine['system']}, {machine['architecture']}, Python {machine['python']}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in machine["packages"].items())),
        ("governor", machine["governor"] or NOT_AVAILABLE),
        ("load at start", NOT_AVAILABLE if load is None else f"{load:.2f}"),
        ("other programs", NOT_AVAILABLE if others is None else f"took {others:.0%} of the processors"),
        ("threads", "the engine's own choice" if protocol["threads"] is None else str(protocol["threads"])),
        ("matrix products", ", ".join(known) or NOT_AVAILABLE),
        (
            "protocol",
            f"{protocol['rounds_done']} of {protocol['repeat']} rounds, {protocol['warmup']} warm-up pictures",
        ),
        ("page cache", protocol["page_cache"]),
        ("date", machine["date"]),
        ("measured in", f"{report['seconds']:.0f} s"),
    ]


def quantity(metric: str, value: float) -> str:
    """A figure with the unit that its metric's name ends in."""
    if metric.endswith("_bytes"):
        return f"{value / 1e6:.0f} MB" if value < 1e9 else f"{value / 1e9:.2f} GB"  # noqa: PLR2004 - a gigabyte
    if metric.endswith("_j"):
        return f"{value:.3g} J"
    if metric.endswith("_s"):
        return f"{value:.3g} s" if abs(value) >= 1 else f"{1e3 * value:.3g} ms"
    return f"{value:.4g}"


def _median(metric: str, summary: dict[str, float] | None) -> str:
    return NOT_AVAILABLE if summary is None else quantity(metric, summary["median"])
