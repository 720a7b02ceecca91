"""The gate lets through what is good enough and names what is to blame for the rest."""

from __future__ import annotations

import dataclasses

import pytest

from edgediff_runtimes.bundle import Bundle, Fidelity
from edgediff_runtimes.errors import ExportError, QualityError, SettingError
from edgediff_runtimes.quality import check_floors, gate, worst_component


@pytest.fixture(scope="module")
def report(measured):
    return Bundle.open(measured).manifest.quality


def test_the_measured_bundle_is_neither_perfect_nor_poor(report):
    assert 20 < report.psnr_db.worst <= report.psnr_db.mean < 60
    assert report.components["unet"].alone == Fidelity(report.psnr_db.mean, report.ssim.mean)
    assert report.components["vae_decoder"].alone == Fidelity(120, 1)


def test_what_is_good_enough_passes(report):
    gate(report)
    gate(report, min_psnr=report.psnr_db.mean, min_ssim=report.ssim.mean)
    gate(report, min_psnr=0, min_ssim=0)


@pytest.mark.parametrize("figure", ["psnr", "ssim"])
def test_what_is_not_is_one_sentence_with_got_asked_and_the_worst_component(report, figure):
    floor = {"psnr": {"min_psnr": 90}, "ssim": {"min_ssim": 0.99999}}[figure]
    with pytest.raises(QualityError) as caught:
        gate(report, **floor)
    got, asked = {
        "psnr": (f"{report.psnr_db.mean:.2f} dB", "90 dB"),
        "ssim": (f"{report.ssim.mean:.4f}", "0.99999"),
    }[figure]
    assert caught.value.sentence == (
        f"the mean {figure.upper()} against fp32 is {got}: expected at least {asked}; "
        f"the component that costs most is `unet` ({got} with it alone)"
    )
    assert caught.value.hint == 'leave it in a higher precision, such as `precision={"unet": "fp32"}`'
    assert isinstance(caught.value, ExportError | ArithmeticError)


def test_a_processor_without_fp32_is_told_of_what_it_takes(report):
    with pytest.raises(QualityError) as caught:
        gate(report, min_psnr=90, finest="fp16")
    assert caught.value.hint == 'leave it in a higher precision, such as `precision={"unet": "fp16"}`'


def test_without_attribution_the_component_of_least_snr_is_named(report):
    components = {role: dataclasses.replace(part, alone=None) for role, part in report.components.items()}
    bare = dataclasses.replace(report, components=components)
    snr = report.components["unet"].snr_db
    with pytest.raises(QualityError, match=rf"`unet` \(SNR {snr:.1f} dB on fp32's inputs\)"):
        gate(bare, min_psnr=90)


def test_the_worst_by_psnr_need_not_be_the_worst_by_ssim(report):
    mixed = report.with_attribution({"unet": Fidelity(30, 0.9), "vae_decoder": Fidelity(35, 0.8)})
    assert worst_component(mixed, by="PSNR") == ("unet", 30)
    assert worst_component(mixed, by="SSIM") == ("vae_decoder", 0.8)


@pytest.mark.parametrize(
    ("floors", "name"),
    [
        ({"min_psnr": -1, "min_ssim": None}, "min_psnr"),
        ({"min_psnr": 121, "min_ssim": None}, "min_psnr"),
        ({"min_psnr": float("nan"), "min_ssim": None}, "min_psnr"),
        ({"min_psnr": "40", "min_ssim": None}, "min_psnr"),
        ({"min_psnr": None, "min_ssim": 1.1}, "min_ssim"),
        ({"min_psnr": None, "min_ssim": 95}, "min_ssim"),
    ],
)
def test_a_floor_that_means_nothing_is_refused(report, floors, name):
    for call in (lambda: check_floors(**floors), lambda: gate(report, **floors)):
        with pytest.raises(SettingError, match=f"`{name}` is .*: expected a number from 0 to"):
            call()
