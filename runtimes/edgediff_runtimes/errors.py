"""Every error that edgediff raises on purpose.

    EdgediffError
    ├── BundleError
    │   ├── BundleNotFoundError      (FileNotFoundError)   no bundle there
    │   ├── ManifestError            (ValueError)          the manifest says something it must not
    │   ├── FormatVersionError       (ValueError)          written by a newer edgediff
    │   ├── RecipeError              (ValueError)          its recipe cannot run with its graphs
    │   ├── UnsafePathError          (ValueError)          a path leaves the bundle
    │   ├── ComponentFileError       (OSError)             a file is missing, truncated or altered
    │   └── VerificationError        (ArithmeticError)     it is not as good as its manifest says
    ├── NotInstalledError            (ImportError)         an engine or the exporter lacks its packages
    ├── EngineError                  (RuntimeError)        an engine failed to load or run a graph
    │   ├── DeviceError              (ValueError)          it does not reach that device
    │   └── OutOfMemoryError         (MemoryError)         there is not enough memory
    ├── SettingError                 (ValueError)          a setting of a run cannot be applied
    │   └── SamplerError                                   ... because of the sampler or its schedule
    ├── BudgetError                  (ValueError)          no plan keeps to what was asked for
    ├── ImageError                   (ValueError)          a picture cannot be read or written
    ├── AdapterError                 (ValueError)          a LoRA or an embedding cannot be read or applied
    ├── NonFiniteError               (ArithmeticError)     a component returned NaN or infinity
    ├── HubError                     (OSError)             a model cannot be fetched from the hub
    ├── Cancelled                                          somebody asked for the run to end
    └── ExportError
        ├── SourceError              (ValueError)          SOURCE is no model that can be exported
        ├── TargetError              (OSError)             the bundle cannot be written there
        ├── ToleranceError           (ArithmeticError)     a graph does not do what its module does
        └── QualityError             (ArithmeticError)     the bundle draws worse than was asked for

Leaves also inherit the builtin they specialise, so that ``except FileNotFoundError`` works as well. An error is one
sentence (what was got, what was expected) and, where there is something to do about it, a ``hint``. Values of others
are quoted with ``shown`` and ``quoted``: short, and without characters that a terminal obeys.
"""

from __future__ import annotations

import re
import reprlib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from edgediff_runtimes.installing import install_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


_LONGEST_QUOTE = 200  # characters of one value: a path is read whole, a blob of data is not
_LONGEST_SENTENCE = 2000  # with the longest list of names that a sentence gives
# What a terminal obeys, and what makes text look other than it is: controls, line ends, directions, surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 2 * _LONGEST_QUOTE
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = _REPR.maxset = 12


def shown(text: object, *, most: int = _LONGEST_QUOTE) -> str:
    """A text for a sentence: cut in its middle where it is long, control characters written as escapes."""
    whole = str(text)
    if len(whole) > most:
        whole = f"{whole[: most * 2 // 3]}…{whole[-(most // 3) :]}"
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], whole)


def quoted(value: object) -> str:
    """The ``repr`` of a value for a sentence, whatever the value is: see ``shown``."""
    try:
        return shown(_REPR.repr(_with_texts(value)))
    except Exception:  # noqa: BLE001 - a value of a caller may have any __repr__; the sentence is about something else
        return f"<{type(value).__name__}>"


def _with_texts(value: object) -> object:
    """Paths, in lists too, as texts: their own ``repr`` has the name of a class of Python's."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, list):
        return [_with_texts(one) for one in value]
    return tuple(_with_texts(one) for one in value) if type(value) is tuple else value


class EdgediffError(Exception):
    """Root of all errors that edgediff raises on purpose.

    Attributes:
        sentence: What went wrong, in one sentence.
        hint: What can be done about it, or None. Settings stand in it as a program gives them, in backticks
            (```low_memory=True```); the command turns them into its options.
    """

    def __init__(self, sentence: str, *, hint: str | None = None) -> None:
        sentence = shown(sentence, most=_LONGEST_SENTENCE)
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = None if hint is None else shown(hint, most=_LONGEST_SENTENCE)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their ``args``, which are not what the leaves' __init__ takes.
        return _rebuilt, (type(self), self.args, vars(self))

    def __str__(self) -> str:
        return self.sentence if self.hint is None else f"{self.sentence}\nhint: {self.hint}"


def _rebuilt(kind: type[EdgediffError], args: tuple[Any, ...], attributes: dict[str, Any]) -> EdgediffError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(attributes)
    return error


class BundleError(EdgediffError):
    """A bundle cannot be used."""


class BundleNotFoundError(BundleError, FileNotFoundError):
    """There is no bundle at that place and no shipped model of that name."""

    def __init__(
        self, bundle: str | Path, *, shipped: Iterable[str] = (), hub: str | None = None, hint: str | None = None
    ) -> None:
        names = ", ".join(sorted(shipped))
        super().__init__(
            f"`{shown(bundle)}` is not a bundle: expected a directory with `edgediff.json` or `model_index.json`"
            + (f", or one of the shipped models: {names}" if names else "")
            + (f"; nor a model of the hub: {hub}" if hub else ""),
            hint=hint or "make one with `edgediff.export(source, bundle)`",
        )


class ManifestError(BundleError, ValueError):
    """A field of the manifest is missing or has the wrong type or value.

    Attributes:
        problem: The sentence without "the manifest's", for fields of other files.
        expected: What was expected.
    """

    def __init__(self, where: str, *, got: object, expected: str) -> None:
        problem = f"`{shown(where)}` is {quoted(got)}: expected {expected}"
        super().__init__(
            f"the manifest's {problem}", hint="`edgediff.json` is written by the export: export the bundle again"
        )
        self.problem = problem
        self.expected = expected


class FormatVersionError(BundleError, ValueError):
    """The bundle's format is of a major version that this edgediff does not read."""

    def __init__(self, *, got: str, supported: int) -> None:
        super().__init__(
            f"the bundle's format version is {shown(got)}: this edgediff reads version {supported}.x",
            hint="upgrade edgediff, or export the bundle again with this version",
        )


class RecipeError(BundleError, ValueError):
    """A bundle's recipe cannot run: a value has no writer, or a graph lacks an input."""

    def __init__(self, stage: str, phase: str, problem: str, expected: str) -> None:
        super().__init__(
            f"the recipe's stage `{stage}` ({phase}) {problem}: expected {expected}",
            hint="`edgediff.json` and the graphs do not belong together; export the bundle again",
        )


class UnsafePathError(BundleError, ValueError):
    """A path named by a bundle points outside of it."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the path `{shown(path)}` leaves the bundle: expected a relative path to a file inside it",
            hint="put the file itself in place of a link to it",
        )


class ComponentFileError(BundleError, OSError):
    """A file of the bundle is missing, or is not the file that was exported.

    Attributes:
        problem: The sentence without the path.
    """

    def __init__(self, path: str | Path, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"`{shown(path)}` {problem}", hint=hint or "copy the bundle again, or export it again")
        self.problem = problem


class VerificationError(BundleError, ArithmeticError):
    """A bundle, measured again, is not as good as its manifest says."""

    def __init__(self, figure: str, *, claimed: str, measured: str, least: str) -> None:
        super().__init__(
            f"the manifest claims {claimed} as {figure}: measured {measured}, expected at least {least}",
            hint="either the manifest was changed, or this machine computes the bundle worse than the one it was "
            "exported on, which its manifest names",
        )


class NotInstalledError(EdgediffError, ImportError):
    """Something was asked for whose packages are not installed."""

    def __init__(self, what: str, *, extra: str | None, reason: ImportError, hint: str | None = None) -> None:
        super().__init__(f"{what} is not installed ({reason})", hint=hint or install_line(extra))


class EngineError(EdgediffError, RuntimeError):
    """An engine could not load or run a graph."""


class DeviceError(EngineError, ValueError):
    """An engine does not reach the device asked for."""

    def __init__(self, device: str, *, available: Iterable[str], hint: str | None = None) -> None:
        super().__init__(
            f"the device `{shown(device)}` is not available: expected one of {', '.join(available)}",
            hint=hint or "`edgediff devices` lists what this machine has",
        )


class OutOfMemoryError(EngineError, MemoryError):
    """There is not enough memory to load a graph, or to compute what was asked for."""

    def __init__(self, problem: str, *, work: str | None = None, hint: str | None = None) -> None:
        asked = "" if work is None else f", for {work}"
        super().__init__(f"{problem}{asked}", hint=hint or "a bundle of a smaller precision needs less")
        self.problem = problem


class SettingError(EdgediffError, ValueError):
    """A setting of a run has a value that cannot be applied."""

    def __init__(self, setting: str, *, got: object, expected: str, hint: str | None = None) -> None:
        super().__init__(f"`{shown(setting)}` is {quoted(got)}: expected {expected}", hint=hint)
        self.setting = setting


class SamplerError(SettingError):
    """A sampler is unknown, or cannot be combined with the schedule, the steps or the model."""


class BudgetError(EdgediffError, ValueError):
    """No plan keeps to a budget.

    Attributes:
        nearest: The plan that comes nearest to it.
    """

    def __init__(self, sentence: str, *, nearest: object, hint: str | None = None) -> None:
        super().__init__(sentence, hint=hint)
        self.nearest = nearest


class ImageError(EdgediffError, ValueError):
    """A picture cannot be read or written."""


class AdapterError(EdgediffError, ValueError):
    """A LoRA or an embedding cannot be read, or does not fit the model."""


class NonFiniteError(EdgediffError, ArithmeticError):
    """A component returned NaN or infinity."""

    def __init__(self, component: str, *, step: int | None = None, hint: str | None = None) -> None:
        where = "" if step is None else f" in step {step + 1}"
        super().__init__(
            f"the component `{shown(component)}` returned values that are not finite{where}",
            hint=hint
            or 'half precision overflows in some models: export that component with `precision="fp32"`; '
            "a very large scale (of guidance, a LoRA, a control picture) overflows in all of them",
        )
        self.component = component
        self.step = step


class HubError(EdgediffError, OSError):
    """A model cannot be fetched from the hub.

    Attributes:
        reason: Why, as a part of a sentence.
    """

    def __init__(self, name: str, reason: str, *, hint: str | None) -> None:
        super().__init__(f"`{name}` cannot be fetched: {reason}", hint=hint)
        self.reason = reason


class Cancelled(EdgediffError):  # noqa: N818 - an outcome that was asked for, as asyncio.CancelledError
    """The run was ended because somebody asked for it."""

    def __init__(self) -> None:
        super().__init__("the run was cancelled")


class ExportError(EdgediffError):
    """An export failed and left nothing behind."""


class SourceError(ExportError, ValueError):
    """SOURCE is not a model that can be exported."""


class TargetError(ExportError, OSError):
    """The bundle cannot be written where it was asked for."""


class ToleranceError(ExportError, ArithmeticError):
    """An exported graph strays further from the module it was traced from than is allowed."""

    def __init__(self, component: str, *, error: float, tolerance: float, shapes: str) -> None:
        super().__init__(
            f"the graph of `{component}` differs from its module by {error:.2e} (relative to the largest output) "
            f"at {shapes}: expected at most {tolerance:.0e}",
        )


class QualityError(ExportError, ArithmeticError):
    """What an exported bundle draws is further from fp32's pictures than was asked for."""

    def __init__(self, figure: str, *, got: str, asked: str, worst: str, cost: str, finest: str = "fp32") -> None:
        super().__init__(
            f"the {figure} is {got}: expected at least {asked}; the component that costs most is `{worst}` ({cost})",
            hint=f'leave it in a higher precision, such as `precision={{"{worst}": "{finest}"}}`',
        )
        self.worst = worst
