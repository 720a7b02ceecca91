"""``edgediff bench`` from the outside: what it measures, refuses, and leaves when it is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.errors import NotInstalledError

DOCS = Path(__file__).parents[3] / "docs" / "bench.md"  # not there where the wheel is tested apart from the checkout
# A shell has jobs in the background ignore Ctrl-C, and `nohup` the end of a terminal.
LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
if os.name == "posix":
    LISTENING += "signal.signal(signal.SIGHUP, signal.SIG_DFL);"
COMMAND = (sys.executable, "-c", LISTENING + "from edgediff.cli import main; main()", "bench")
QUICK = ("--repeat", "1", "--steps", "2")


@pytest.fixture(scope="module")
def measured(bundle, tmp_path_factory):
    """The folder that one measurement of two cases left; what it printed is in ``out``."""
    folder = tmp_path_factory.mktemp("measured")
    targets = ("--json", "r.json", "--html", "r.html", "--plot", "r.svg", "--sustain", "1ms")
    with (folder / "out").open("w") as out:
        subprocess.run([*COMMAND, str(bundle), str(bundle), *QUICK, *targets], cwd=folder, stdout=out, check=True)
    return folder


def test_pictures_on_end(measured):
    report = json.loads((measured / "r.json").read_text("utf-8"))
    for case in report["cases"]:
        ((end, seconds, steps, _),) = case["works"][0]["sustained"]  # the one that was under way is finished
        assert steps == 2
        assert 0 < seconds <= end
    assert "Picture after picture" in (measured / "out").read_text("utf-8")
    assert "steps per minute" in (measured / "r.html").read_text("utf-8")


def test_two_cases_in_turns(measured):
    assert sorted(path.name for path in measured.iterdir()) == ["out", "r.html", "r.json", "r.svg"]
    report = json.loads((measured / "r.json").read_text("utf-8"))
    assert report["partial"] is False
    assert [case["name"] for case in report["cases"]] == ["bundle", "bundle #2"]
    for case in report["cases"]:
        (work,) = case["works"]
        assert work["work"] == {"width": 64, "height": 64, "steps": 2, "batch": 1, "guidance": work["work"]["guidance"]}
        assert {role: part["calls_per_picture"] for role, part in work["components"].items()} == {
            "text_encoder": 1,
            "unet": 2,
            "vae_decoder": 1,
        }
        (one,) = work["rounds"]
        assert len(one["steps_s"]) == 2
        assert one["total_s"] <= one["cold_start_s"]
        assert sum(one["engine_s"]["unet"]) < sum(one["steps_s"])
        assert one["text_s"] + sum(one["steps_s"]) + one["decode_s"] <= one["total_s"]
        assert list(one["phases"]) == ["import", "open", "first picture", "measured picture"]
        assert work["flops"]["unet"]["flops"] > 0
        assert sum(work["operators"]["unet"]["computed"].values()) > 0
    assert {row["metric"] for row in report["ratios"]} >= {"total_s", "step_s", "cold_start_s"}
    assert "bundle #2" in (measured / "out").read_text("utf-8")
    assert "<svg" in (measured / "r.html").read_text("utf-8")
    assert (measured / "r.svg").read_text("utf-8").startswith("<svg")


def test_what_was_computed_in_is_told(measured):
    (case, _) = json.loads((measured / "r.json").read_text("utf-8"))["cases"]
    assert set(case["execution"].values()) == {"f32"}
    assert {part["execution"] for part in case["works"][0]["components"].values()} == {"f32"}
    assert set(case["works"][0]["rounds"][0]["rescued"].values()) == {0}
    shares = case["works"][0]["components"]["unet"]["shares"]
    assert shares == case["works"][0]["rounds"][0]["shares"]["unet"]
    assert [(name, one["time"]) for name, one in shares.items()] == [("cpu", 1.0)]
    assert shares["cpu"]["nodes"] > 1
    assert "computed in" in (measured / "out").read_text("utf-8")


def test_an_empty_line_stands_before_each_further_table(measured):
    lines = (measured / "out").read_text("utf-8").splitlines()
    titles = [index for index, line in enumerate(lines) if line in ("Its graphs", "Their operators", "Conditions")]
    assert len(titles) >= 5
    assert {lines[index - 1] for index in titles} == {""}


def test_a_report_compared_with_itself(measured, command):
    done = command("bench", "--compare", measured / "r.json", measured / "r.json")
    assert (done.code, done.err) == (0, "")
    assert len(re.findall(r" 1\.000 +\d", done.out)) == 14


@pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not part of the wheel")
def test_every_field_of_a_report_is_documented(measured):
    known = set(re.findall(r"`(\w+)`", DOCS.read_text("utf-8")))
    assert _fields(json.loads((measured / "r.json").read_text("utf-8"))) - known == set()
    assert {"cpu", "rounds_done", "steps_s", "by_op", "disk_read_bytes", "same_work", "share_of_matmul_peak"} <= known


# Keys that are names: of roles, operations, inputs, packages, precisions, phases.
_NAMED = {"feeds", "by_op", "uncounted", "packages", "matmul_peak_gflops", "precision", "export_error", "loads_s"}
_NAMED |= {"engines", "devices", "execution", "rescued", "exported", "computed", "fused"}
_OF_ROLES = {"flops", "operators", "components", "engine_s", "phases", "shares"}


def _fields(value, parent=""):
    """All fields of a report."""
    if isinstance(value, list):
        return set().union(*(_fields(item, parent) for item in value))
    if not isinstance(value, dict) or parent in _NAMED:
        return set()
    own = set() if parent in _OF_ROLES else set(value)
    return own.union(*(_fields(item, "" if parent in _OF_ROLES else key) for key, item in value.items()))


def test_fields_are_found_and_names_are_none():
    assert _fields({"cases": [{"x": 1}], "flops": {"unet": {"y": {"z": 1}}}}) == {"cases", "x", "flops", "y", "z"}
    assert _fields({"packages": {"numpy": "2"}}) == {"packages"}


REFUSED = {
    "no bundle": (("nowhere",), 1, "`nowhere` is not a bundle"),
    "nothing": ((), 2, "expected a BUNDLE to measure"),
    "no such device": (("BUNDLE", "--device", "gpu7"), 1, "the device `gpu7` is not available: expected one of cpu"),
    "no such engine": (("BUNDLE", "--engine", "steam"), 1, "`engine` is 'steam': expected one of"),
    "zero repeats": (("BUNDLE", "--repeat", "0"), 1, "`repeat` is 0: expected a whole number of at least 1"),
    "negative warm-up": (("BUNDLE", "--warmup", "-1"), 1, "`warmup` is -1: expected a whole number of at least 0"),
    "zero steps": (("BUNDLE", "--steps", "0"), 1, "`steps` is 0"),
    "zero threads": (("BUNDLE", "--threads", "0"), 1, "`threads` is 0"),
    "zero batch": (("BUNDLE", "--batch", "0"), 1, "`batch` is 0: expected a whole number of at least 1"),
    "odd size": (("BUNDLE", "--size", "65x64"), 1, "`width` is 65: expected a multiple of 8"),
    "second size odd": (("BUNDLE", "--size", "64x64", "--size", "64x65"), 1, "`height` is 65"),
    "no size": (("BUNDLE", "--size", "large"), 2, "'large' is not a size"),
    "a digit that is no number": (("BUNDLE", "--size", "²x64"), 2, "'²x64' is not a size"),
    "other execution": (
        ("BUNDLE", "--precision-of-execution", "bf16"),
        1,
        "`execution` is 'bf16': expected f32, because",
    ),
    "no execution": (
        ("BUNDLE", "--execution", "graph", "--execution", "fp8"),
        1,
        "`execution` is 'fp8': expected one of",
    ),
    "no folder": (("BUNDLE", "--json", "no/such/r.json"), 1, "`json` is 'no/such/r.json': expected a file that can be"),
    "a folder": (("BUNDLE", "--html", "folder.html"), 1, "expected a file that can be written (folder.html is a fold"),
    "other suffix": (("BUNDLE", "--plot", "p.png"), 1, "`plot` is 'p.png': expected a file that ends in .svg"),
    "a file that is there": (
        ("BUNDLE", "--html", "there.html"),
        1,
        "the file `there.html` is there already: expected a",
    ),
    "compare and measure": (("BUNDLE", "--compare", "a.json", "b.json"), 2, "--compare goes alone"),
    "compare nothing": (("--compare", "a.json", "b.json"), 1, "`compare` is 'a.json': expected a report"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_sentence_before_anything_is_measured(bundle, command, monkeypatch, tmp_path, case):
    arguments, code, sentence = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "there.html").touch()
    monkeypatch.setattr("edgediff.bench.measuring.run_job", None)  # would fail if it were reached
    done = command("bench", *(bundle if part == "BUNDLE" else part for part in arguments))
    assert done.code == code
    assert sentence in done.err
    assert done.err.count("error:") == 1
    assert "Traceback" not in done.err
    assert done.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.html", "there.html"]


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("kill", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
def test_what_a_killed_measurement_has_is_kept_and_marked(bundle, tmp_path, kill):
    kill, target, page = signal.Signals[kill], tmp_path / "r.json", tmp_path / "r.html"
    started = subprocess.Popen(
        [*COMMAND, str(bundle), "--repeat", "500", "--steps", "1", "--json", str(target), "--html", str(page)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not target.exists():
        assert started.poll() is None, started.stderr.read()
        time.sleep(0.02)
    started.send_signal(kill)
    out, err = started.communicate(timeout=60)
    report = json.loads(target.read_text("utf-8"))
    assert report["partial"] is True
    assert report["cases"][0]["works"][0]["summary"]["total_s"]["n"] >= 1
    if kill is signal.SIGKILL:
        assert started.returncode == -kill
    else:
        assert started.returncode == 130
        assert "(partial)" in out
        assert "interrupted" in err
        assert "Traceback" not in err
        assert "Partial:" in page.read_text("utf-8")
    assert not re.findall(r"\.part$", " ".join(path.name for path in tmp_path.iterdir()))


def test_a_measuring_process_that_fails_is_one_sentence(bundle_copy, command):
    """The graph is of the length that the manifest says, and no graph."""
    graph = bundle_copy / "unet" / "model.onnx"
    graph.write_bytes(b"\xff" * graph.stat().st_size)
    done = command("bench", bundle_copy, *QUICK)
    assert done.code == 1
    assert "ONNX Runtime cannot load `unet`" in done.err
    assert "Traceback" not in done.err


def test_json_to_stdout_stands_alone_there(command, measured, bundle, tmp_path, monkeypatch):
    report = json.loads((measured / "r.json").read_text("utf-8"))
    monkeypatch.setattr("edgediff.bench.measuring.bench", lambda _, **told: told["on_report"](report) or report)
    done = command("bench", bundle, "--json", "-", "--html", tmp_path / "r.html")
    assert (done.code, json.loads(done.out)) == (0, report)
    assert f"wrote {tmp_path / 'r.html'}" in done.err.splitlines()  # beside the verdict, and how busy the machine was


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("arguments", [(), ("--overwrite",)], ids=["kept", "replaced"])
def test_a_file_that_appeared_while_it_was_measured(command, measured, bundle, tmp_path, monkeypatch, arguments):
    """It is not replaced unasked, and the report is not lost: it goes beside it, always to the same file."""
    report = json.loads((measured / "r.json").read_text("utf-8"))
    files = {name: tmp_path / f"r.{name}" for name in ("json", "html")}

    def bench(_, **told):
        for path in files.values():
            path.write_text("another's")
        told["on_report"](report)
        told["on_report"](report)
        return report

    monkeypatch.setattr("edgediff.bench.measuring.bench", bench)
    done = command("bench", bundle, "--json", files["json"], "--html", files["html"], *arguments)
    assert done.code == 0
    if arguments:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json"]
        assert json.loads(files["json"].read_text("utf-8")) == report
        return
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r-2.html", "r-2.json", "r.html", "r.json"]
    assert {path.read_text("utf-8") for path in files.values()} == {"another's"}
    assert json.loads((tmp_path / "r-2.json").read_text("utf-8")) == report
    assert f"warning: {files['json']} is there by now: the report goes to {tmp_path / 'r-2.json'}" in done.err
    assert f"wrote {tmp_path / 'r-2.html'}" in done.err.splitlines()


def test_a_page_that_cannot_be_written_takes_no_measurement_away(command, measured, bundle, tmp_path, monkeypatch):
    report = json.loads((measured / "r.json").read_text("utf-8"))
    (tmp_path / "pages").mkdir()

    def bench(_, **told):
        (tmp_path / "pages").rmdir()
        told["on_report"](report)
        return report

    monkeypatch.setattr("edgediff.bench.measuring.bench", bench)
    done = command("bench", bundle, "--html", tmp_path / "pages" / "r.html")
    assert done.code == 1
    assert "r.html` cannot be written" in done.err
    assert "Its graphs" in done.out


def test_several_engines_and_executions(bundle, tmp_path, command, monkeypatch):
    """A loaded graph is found again by the warm load, and neither the user's cache nor another process knows of it."""
    try:
        get_engine("openvino")
    except NotInstalledError as error:
        pytest.skip(error.sentence)
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "cache"))
    engines = ("--engine", "onnxruntime", "--engine", "openvino")
    executions = ("--execution", "graph", "--execution", "f32")
    done = command("bench", bundle, *QUICK, *engines, *executions, "--json", tmp_path / "r.json")
    assert done.code == 0, done.err
    cases = json.loads((tmp_path / "r.json").read_text("utf-8"))["cases"]
    assert [case["name"] for case in cases] == [
        f"bundle {engine} {execution}" for engine in ("onnxruntime", "openvino") for execution in ("graph", "f32")
    ]
    assert list((tmp_path / "cache" / "compiled").iterdir()) == []
