"""Whether components stay in memory: how much there is, how much they take, and who decides."""

from __future__ import annotations

import dataclasses
import warnings

import pytest

from edgediff_runtimes import memory, pipeline
from edgediff_runtimes.memory import available_bytes, choose_residency, needed_by_role, needed_bytes
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

PLAIN = Placement()
ALONE = "That is not enough: `unet` alone takes about 2.0 GB; a bundle of a smaller precision"


def _in(bundle, precision, **fields):
    """The bundle as if exported in another precision, its files of 1,000 bytes each."""
    components = {
        role: dataclasses.replace(
            part,
            precision=precision,
            files=tuple(dataclasses.replace(entry, bytes=1000) for entry in part.files),
            **fields,
        )
        for role, part in bundle.manifest.components.items()
    }
    return dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, components=components))


@pytest.mark.parametrize(
    ("precision", "times"), [("fp32", 1), ("w16", 2), ("fp16", 2), ("w8", 4), ("int8", 1), ("unknown", 1)]
)
def test_what_weights_take_once_they_are_loaded(tiny, precision, times):
    bundle = _in(tiny, precision)
    files = sum(len(part.files) for part in bundle.manifest.components.values())
    assert needed_bytes(bundle, PLAIN) == files * 1000 * times
    assert needed_bytes(bundle, Placement(low_memory=True)) == files * 1000


def test_a_fifth_is_left_for_what_calls_compute_with(tiny):
    needed = needed_bytes(tiny, PLAIN)
    assert choose_residency(tiny, PLAIN, available=needed * 5 // 4 + 1) == "resident"
    assert choose_residency(tiny, PLAIN, available=needed * 5 // 4 - 1) == "sequential"
    assert choose_residency(tiny, PLAIN, available=None) == "resident"


def test_only_what_the_processor_computes_is_counted(tiny):
    bundle = _in(tiny, "fp32")
    counted = {role: 1000 * len(part.files) for role, part in bundle.manifest.components.items()}
    assert needed_by_role(bundle, PLAIN) == counted
    assert needed_by_role(bundle, Placement(device={"vae_decoder": "cpu", "*": "auto"})) == counted
    del counted["unet"]
    assert needed_by_role(bundle, Placement(device={"unet": "gpu"})) == counted
    assert needed_bytes(bundle, Placement(device="npu")) == 0


@pytest.mark.parametrize(
    ("left", "low_memory", "said"),
    [
        (2.0, False, "`resident` keeps them$"),
        (1.9, False, f"keeps them. {ALONE}, or `low_memory=True`, needs less$"),
        (1.9, True, f"keeps them. {ALONE} needs less$"),
    ],
)
def test_where_the_largest_alone_is_too_large_it_is_said(tiny, fake_engine, monkeypatch, left, low_memory, said):
    bundle = _in(tiny, "fp32")
    needed = dict.fromkeys(bundle.manifest.components, 5 * 10**8) | {"unet": 2 * 10**9}
    monkeypatch.setattr(memory, "needed_by_role", lambda *_: needed)
    monkeypatch.setattr(pipeline, "needed_by_role", lambda *_: needed)
    monkeypatch.setattr(pipeline, "available_bytes", lambda: int(left * 10**9))
    with pytest.warns(UserWarning, match=said):
        Pipeline(tiny, Placement(engine=fake_engine, low_memory=low_memory)).close()


@pytest.fixture
def short(monkeypatch):
    """A machine on which 1,000 bytes are left."""
    monkeypatch.setattr(pipeline, "available_bytes", lambda: 1000)


@pytest.mark.usefixtures("short")
def test_where_memory_is_short_components_are_freed_and_it_is_said(tiny, fake_engine):
    said = "memory is short: the components take about 0.0 GB .* `resident` keeps them"
    with pytest.warns(UserWarning, match=said):
        drawing = Pipeline(tiny, Placement(engine=fake_engine))
    with drawing:
        assert drawing("a red apple", seed=0).residency == "sequential"
        assert fake_engine.open_sessions == []


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("asked", ["resident", "sequential"])
def test_what_was_asked_for_is_done_and_not_said(tiny, fake_engine, asked):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Pipeline(tiny, Placement(engine=fake_engine, residency=asked)) as drawing:
            assert drawing("a", seed=0).residency == asked
            assert bool(fake_engine.open_sessions) == (asked == "resident")


def test_where_there_is_enough_components_stay(tiny, fake_engine, monkeypatch):
    monkeypatch.setattr(pipeline, "available_bytes", lambda: 10**9)
    with Pipeline(tiny, Placement(engine=fake_engine)) as drawing:
        assert drawing("a", seed=0).residency == "resident"
        assert fake_engine.open_sessions != []


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A Linux of files: writes them, and has them read."""
    monkeypatch.setattr(memory.sys, "platform", "linux")
    for name, path in (("_MEMORY_INFO", "meminfo"), ("_OWN_GROUPS", "groups"), ("_GROUPS", "cgroup")):
        monkeypatch.setattr(memory, name, tmp_path / path)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="ascii")

    write({"meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n"})
    return write


def test_the_machine_alone(machine):
    machine({"groups": "0::/\n"})
    assert available_bytes() == 8000 * 1024


def test_a_control_group_above_ones_own_limits_as_well(machine):
    machine(
        {
            "groups": "0::/a/b\n",
            "cgroup/a/memory.max": "3000000\n",
            "cgroup/a/memory.current": "2000000\n",
            "cgroup/a/memory.stat": "anon 5\ninactive_file 400000\n",
            "cgroup/a/b/memory.max": "max\n",
            "cgroup/a/b/memory.current": "10\n",
        }
    )
    assert available_bytes() == 1_400_000


def test_a_container_of_version_one_whose_path_is_the_hosts(machine):
    machine(
        {
            "groups": "9:cpu:/docker/1\n4:memory:/docker/1\n",
            "cgroup/memory/memory.limit_in_bytes": "5000000\n",
            "cgroup/memory/memory.usage_in_bytes": "6000000\n",
        }
    )
    assert available_bytes() == 0


def test_nothing_is_known(machine, monkeypatch):
    machine({"meminfo": "odd"})
    assert available_bytes() is None
    monkeypatch.setattr(memory.sys, "platform", "win32")
    assert available_bytes() is None


def _spare(bundle, placement=PLAIN, *, task="text-to-image", tiny=False, available=100_000, residency="resident"):
    uses = bundle.manifest.recipe.run_of(task, tiny=tiny)
    return memory.spare_bytes(bundle, placement, uses, available=available, residency=residency)


def test_tiles_have_what_the_components_of_the_run_leave(tiny):
    bundle = _in(tiny, "fp32")
    needed = needed_by_role(bundle, PLAIN)
    drawing = sum(needed[role] for role in ("text_encoder", "unet", "vae_decoder"))
    assert _spare(bundle) == 100_000 - drawing
    assert _spare(bundle, task="image-to-image") == 100_000 - drawing - needed["vae_encoder"]
    assert _spare(bundle, Placement(device={"unet": "gpu"})) == 100_000 - drawing + needed["unet"]
    assert _spare(bundle, available=None) is None


def test_freed_components_leave_all_but_what_is_computed_in_tiles(tiny):
    bundle = _in(tiny, "fp32")
    needed = needed_by_role(bundle, PLAIN)
    assert _spare(bundle, residency="sequential") == 100_000 - needed["vae_decoder"]
    picture = max(needed["vae_decoder"], needed["vae_encoder"])
    assert _spare(bundle, task="image-to-image", residency="sequential") == 100_000 - picture


def test_tiles_on_another_device_are_not_cut_by_the_processors_memory(tiny):
    assert _spare(tiny, Placement(device={"vae_decoder": "gpu"}), available=0) is None
