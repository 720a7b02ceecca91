"""Reuse of predictions for a bundle: a schedule searched, measured on other pictures, written down, proved again.

- ``runs``: a bundle's runs with given settings, by any schedule
- ``searching``: the schedule of a number of calls that comes nearest to making all of them
- ``proving``: pictures with it and without, the figures, and whether a manifest's are so
- ``tuning``: all of it, for ``edgediff tune``
"""

from edgediff_runtimes.tuning.proving import check_reuse
from edgediff_runtimes.tuning.tuning import Tuning, tune

__all__ = ["Tuning", "check_reuse", "tune"]
