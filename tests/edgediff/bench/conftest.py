"""A report made of given rounds, so that what is worked out from them can be told beforehand."""

from __future__ import annotations

import copy

import pytest

from edgediff.bench.reporting import FORMAT, FORMAT_VERSION, finish


def _phase(seconds=0.5, cpu_s=0.7, peak=100):
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "energy_j": None,
        "peak_rss_bytes": peak,
        "end_rss_bytes": 90,
        "end_anonymous_bytes": 50,
        "disk_read_bytes": 0,
    }


def _round(factor):
    """A round in which everything took ``factor`` times as long."""
    component = {
        "calls_s": [0.09 * factor],
        "execution": "f32",
        "phases": {"cold load": _phase(0.4 * factor), "first call": _phase(), "calls": _phase(peak=300)}
        | {"warm load": _phase(0.2 * factor), "import": _phase()},
    }
    return {
        "text_s": 0.1 * factor,
        "steps_s": [0.2 * factor, 0.3 * factor],
        "decode_s": 0.4 * factor,
        "total_s": factor,
        "network_s": [0.15 * factor, 0.25 * factor],
        "engine_s": {"unet": [0.15 * factor, 0.25 * factor]},
        "overhead_step_s": 0.05 * factor,
        "loads_s": {"unet": 0.4},
        "shares": {
            "unet": {
                "cpu": {"nodes": 2, "time": 0.009, "operators": []},
                "webgpu": {"nodes": 484, "time": 0.991, "operators": ["Conv"]},
            }
        },
        "cold_start_s": 2 * factor,
        "peak_rss_bytes": 1000,
        "lifetime_peak_bytes": 1000,
        "phases": {"import": _phase(), "open": _phase(), "measured picture": _phase()},
        "components": {"unet": component},
    }


def _case(name, factors, *, steps=2, quality=None):
    work = {
        "work": {"width": 64, "height": 64, "steps": steps, "batch": 1, "guidance": 5.0},
        "feeds": {"unet": {"sample": ["float32", [2, 4, 8, 8]]}},
        "rounds": [_round(factor) for factor in factors],
        "memory": {"phases": [[0.1, "import"]], "samples": [[0.0, 5, 3], [1.0, 9, 4]], "seconds": 1.0},
        "flops": {"unet": {"flops": 10**9, "by_op": {"Conv": 10**9}, "dtype": "float32", "uncounted": {}}},
        "summary": {},
        "components": {},
    }
    facts = {"bundle": f"/models/{name}", "family": "stable-diffusion", "bytes": 1, "precision": {"unet": "fp32"}}
    engine = {
        "engine": "onnxruntime",
        "engine_version": "1",
        "execution": {"unet": "f32"},
        "device": "cpu",
        "driver": "d",
    }
    return {"name": name, **facts, **engine, "quality": quality, "export_error": {"unet": 1e-6}, "works": [work]}


@pytest.fixture
def make_report():
    """Builds a report: ``make_report({"a": [1, 2], "b": [2, 4]})`` has two rounds of two cases."""

    def make_report(cases, **options):
        machine = {"cpu": "c", "cores": 2, "memory_bytes": None, "system": "s", "architecture": "x"}
        machine |= {"governor": None, "load_at_start": None, "python": "3", "packages": {}, "date": "2026-01-01"}
        protocol = {"repeat": 2, "rounds_done": 2, "warmup": 1, "threads": None, "prompt": "p", "seed": 0}
        report = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "partial": False,
            "seconds": 1.0,
            "machine": machine,
            "protocol": {**protocol, "sample_s": 0.02, "page_cache": "not controlled"},
            "matmul_peak_gflops": {"float32": {"onnxruntime": 20.0, "numpy": 10.0}},
            "cases": [_case(name, factors, **options) for name, factors in cases.items()],
            "ratios": [],
        }
        finish(report)
        return copy.deepcopy(report)

    return make_report
