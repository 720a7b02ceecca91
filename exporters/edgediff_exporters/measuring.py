"""How far a candidate is from the fp32 bundle, and how long it takes beside it."""

from __future__ import annotations

import statistics
import time
import warnings
from dataclasses import replace
from pathlib import Path

from edgediff_exporters.progress import OnProgress, told
from edgediff_exporters.targets import TARGETS
from edgediff_exporters.trials import Trials
from edgediff_runtimes.bundle import Bundle, QualityReport
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import Reference, Runner, attribute, gate, make_reference, measure
from edgediff_runtimes.text import PromptTruncationWarning

# Calls of each network, in turns: more while they are quick; what fewer give is chance, and no figure.
_MOST_CALLS, _FEWEST_CALLS = 15, 5
_QUICK_SECONDS, _MOST_SECONDS = 10.0, 300.0


def measure_candidate(
    fp32: Bundle, candidate: Bundle, folder: Path, trials: Trials, on_progress: OnProgress
) -> QualityReport:
    """Measure a bundle against fp32, and refuse it if it is below the floors that were asked for.

    Args:
        fp32: The bundle of the model in fp32.
        candidate: The bundle.
        folder: Where the record of what fp32 draws goes.
        trials: What to draw, and the floors.
        on_progress: Told every step.

    Raises:
        QualityError: Its pictures are too far from fp32's.
        NonFiniteError: A component returned NaN or infinity.
    """
    placement = Placement(keep_compiled=False)  # the same for both: what is computed alike need not be drawn again
    original, changed = Runner(fp32, placement), Runner(candidate, placement)
    report_progress = told(on_progress, "measure")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptTruncationWarning)  # both draw the same part of the prompt
        reference = make_reference(
            original,
            prompts=trials.evaluation,
            steps=trials.steps,
            width=trials.width,
            height=trials.height,
            on_progress=report_progress,
        )
        record = reference.save(folder)
        report = measure(changed, reference, record=record, on_progress=report_progress)
        report = report.with_attribution(attribute(original, changed, reference, on_progress=report_progress))
    report = replace(report, latency_ratio=latency_ratio(original, changed, reference))
    target = TARGETS.get(candidate.manifest.target or "")
    finest = "fp32" if target is None or "fp32" in target.precisions else "fp16"
    gate(report, min_psnr=trials.min_psnr, min_ssim=trials.min_ssim, finest=finest)
    return report


def latency_ratio(fp32: Runner, candidate: Runner, reference: Reference) -> float | None:
    """Time of one call of the candidate's network over that of fp32's: medians of calls made in turns, two digits.

    None where five calls of each would take too long.
    """
    probe = next(probe for probe in reference.probes if probe.timestep is not None)
    role = probe.role
    began = time.perf_counter()
    seconds: list[tuple[float, float]] = []
    with fp32.use(role) as (original, _), candidate.use(role) as (changed, _):
        for network in (original, changed):
            network.run(probe.feeds, [probe.output])  # the first call of an engine takes longer
        while len(seconds) < _MOST_CALLS:
            marks = [time.perf_counter()]
            for network in (original, changed):
                network.run(probe.feeds, [probe.output])
                marks.append(time.perf_counter())
            seconds.append((marks[1] - marks[0], marks[2] - marks[1]))
            if marks[-1] - began > (_QUICK_SECONDS if len(seconds) >= _FEWEST_CALLS else _MOST_SECONDS):
                break
    if len(seconds) < _FEWEST_CALLS:
        return None
    expected, got = (float(statistics.median(column)) for column in zip(*seconds, strict=True))
    return round(got / expected, 2)
