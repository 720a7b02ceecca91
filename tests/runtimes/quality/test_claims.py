"""A claim is held against what was measured again: better than it is, is caught; as it is or worse, is not."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from edgediff_runtimes.bundle import Bundle, LevelQuality, Spread
from edgediff_runtimes.errors import BundleError, ComponentFileError, ManifestError, VerificationError
from edgediff_runtimes.quality import RECORD_NAME, Reference, Runner, check_claims, check_record, measure
from edgediff_runtimes.quality.claims import CEILING_DB, HALF_CEILING_DB, PICTURE_DB, PICTURE_SSIM, SNR_DB, Figure


@pytest.fixture(scope="module")
def bundle(measured):
    return Bundle.open(measured)


@pytest.fixture(scope="module")
def report(bundle):
    return bundle.manifest.quality


@pytest.fixture(scope="module")
def reference(bundle):
    return Reference.of(bundle)


def test_what_is_measured_again_is_what_was_claimed(bundle, report, reference):
    again = measure(Runner(bundle), reference, record=report.reference)
    alone = {role: part.alone for role, part in report.components.items() if part.alone is not None}
    assert again.with_attribution(alone) == report
    figures = check_claims(report, again)
    levels = sum(len(part.levels) for part in report.components.values())
    assert len(figures) == 4 + 2 * len(report.pictures) + len(report.components) + levels
    check_record(report, reference)


def _better(report, figure, by):
    """The report with one figure claimed to be so much better."""
    unet = report.components["unet"]
    first, *others = report.pictures
    top, *levels = unet.levels
    changes = {
        "mean PSNR": {"psnr_db": Spread(report.psnr_db.mean + by, report.psnr_db.worst)},
        "worst PSNR": {"psnr_db": Spread(report.psnr_db.mean, report.psnr_db.worst + by)},
        "mean SSIM": {"ssim": Spread(report.ssim.mean + by, report.ssim.worst)},
        'PSNR of the picture "a red apple"': {
            "pictures": (dataclasses.replace(first, psnr_db=first.psnr_db + by), *others)
        },
        "SNR of `unet`": {
            "components": {**report.components, "unet": dataclasses.replace(unet, snr_db=unet.snr_db + by)}
        },
        f"SNR of `unet` at time step {top.timestep:g}": {
            "components": {
                **report.components,
                "unet": dataclasses.replace(unet, levels=(LevelQuality(top.timestep, top.snr_db + by), *levels)),
            }
        },
        "SNR of `unet` at time step 7": {
            "components": {
                **report.components,
                "unet": dataclasses.replace(unet, levels=(LevelQuality(7, by), top, *levels)),
            }
        },
    }
    return dataclasses.replace(report, **changes[figure])


@pytest.mark.parametrize(
    ("figure", "tolerance"),
    [
        ("mean PSNR", PICTURE_DB / math.sqrt(3)),
        ("worst PSNR", PICTURE_DB),
        ("mean SSIM", PICTURE_SSIM / math.sqrt(3)),
        ('PSNR of the picture "a red apple"', PICTURE_DB),
        ("SNR of `unet`", SNR_DB),
        ("SNR of `unet` at time step 667", SNR_DB),
    ],
)
def test_a_claim_of_more_than_the_tolerance_is_named_with_both_values(report, figure, tolerance):
    check_claims(_better(report, figure, 0.9 * tolerance), report)
    with pytest.raises(VerificationError) as caught:
        check_claims(_better(report, figure, 1.1 * tolerance), report)
    number = r"-?[\d.]+( dB)?"
    sentence = f"the manifest claims {number} as {figure}: measured {number}, expected at least {number}"
    assert re.fullmatch(sentence, caught.value.sentence)
    assert isinstance(caught.value, BundleError)
    check_claims(report, _better(report, figure, 10))  # better than claimed is no fault


def test_a_level_that_the_record_does_not_have_holds_no_claim(report):
    with pytest.raises(VerificationError, match="SNR of `unet` at time step 7"):
        check_claims(_better(report, "SNR of `unet` at time step 7", 10), report)


def test_above_the_ceiling_figures_are_not_told_apart():
    assert Figure("x", 120, 0, 0.5, "dB").least == CEILING_DB - 0.5
    assert Figure("x", 40, 0, 0.5, "dB").least == 39.5
    assert Figure("x", 1, 0, 0.005).least == 0.995


def _other(report, name):
    """The report about something else than what the record has."""
    first, *others = report.pictures
    changes = {
        "pictures": {"pictures": tuple(others)},
        "pictures[0].prompt": {"pictures": (dataclasses.replace(first, prompt="a pear"), *others)},
        "pictures[0].seed": {"pictures": (dataclasses.replace(first, seed=9), *others)},
        "steps": {"steps": 2},
        "guidance": {"guidance": 1.0},
        "width": {"width": 128},
        "height": {"height": 128},
        "components": {"components": {}},
    }
    return dataclasses.replace(report, **changes[name])


@pytest.mark.parametrize(
    "name", ["pictures", "pictures[0].prompt", "pictures[0].seed", "steps", "guidance", "width", "height", "components"]
)
def test_a_claim_about_other_pictures_is_named(report, reference, name):
    check_record(report, reference)
    with pytest.raises(ManifestError) as caught:
        check_record(_other(report, name), reference)
    assert caught.value.sentence.startswith(f"the manifest's `quality.{name}` is ")
    assert caught.value.sentence.endswith(", as the bundle's record has it")


def test_the_record_belongs_to_the_files_of_the_bundle(bundle, measured_copy):
    assert RECORD_NAME in [entry.path for entry in bundle.files()]
    path = measured_copy / RECORD_NAME
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"\1")
    opened = Bundle.open(measured_copy)
    for check in (opened.check_hashes, lambda: Reference.of(opened)):
        with pytest.raises(ComponentFileError, match=r"`quality/reference\.npz` was altered"):
            check()
    path.write_bytes(data[:-1])
    with pytest.raises(ComponentFileError, match=r"`quality/reference\.npz` has"):
        Bundle.open(measured_copy)
    path.unlink()
    with pytest.raises(ComponentFileError, match=r"`quality/reference\.npz` is missing"):
        Bundle.open(measured_copy)


def test_a_bundle_that_was_not_measured_has_no_record(tiny):
    assert Reference.of(tiny) is None


@pytest.mark.parametrize(
    ("device", "execution", "held"), [("chip", "f16", True), ("cpu", "f16", False), ("chip", "f32", False)]
)
def test_half_precision_of_another_device_rounds_elsewhere(report, device, execution, held):
    def with_unet(report, snr_db, **changes):
        unet = dataclasses.replace(report.components["unet"], snr_db=snr_db, levels=(), **changes)
        return dataclasses.replace(report, components={**report.components, "unet": unet})

    claimed = with_unet(report, 63)
    near = dataclasses.replace(with_unet(report, HALF_CEILING_DB, execution=execution), device=device)
    if held:
        check_claims(claimed, near)
    far = dataclasses.replace(with_unet(report, HALF_CEILING_DB - 1, execution=execution), device=device)
    for measured in [far] if held else [far, near]:
        with pytest.raises(VerificationError, match="SNR of `unet`"):
            check_claims(claimed, measured)
