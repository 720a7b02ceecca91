"""Every error that edgediff raises on purpose.

    EdgediffError
    ├── BundleError
    │   ├── BundleNotFoundError      (FileNotFoundError)   no bundle there
    │   ├── ManifestError            (ValueError)          the manifest says something it must not
    │   ├── FormatVersionError       (ValueError)          written by a newer edgediff
    │   ├── UnsafePathError          (ValueError)          a path leaves the bundle
    │   ├── ComponentFileError       (OSError)             a file is missing, truncated or altered
    │   └── VerificationError        (ArithmeticError)     it is not as good as its manifest says
    ├── NotInstalledError            (ImportError)         an engine or the exporter lacks its packages
    ├── EngineError                  (RuntimeError)        an engine failed to load or run a graph
    │   └── DeviceError              (ValueError)          it does not reach that device
    ├── SettingError                 (ValueError)          a setting of a run cannot be applied
    │   └── SamplerError                                   ... because of the sampler or its schedule
    ├── ImageError                   (ValueError)          a picture cannot be read or written
    ├── NonFiniteError               (ArithmeticError)     a component returned NaN or infinity
    ├── HubError                     (OSError)             a model cannot be fetched from the hub
    ├── Cancelled                                          somebody asked for the run to end
    └── ExportError
        ├── SourceError              (ValueError)          SOURCE is no model that can be exported
        ├── TargetError              (OSError)             the bundle cannot be written there
        ├── ToleranceError           (ArithmeticError)     a graph does not do what its module does
        └── QualityError             (ArithmeticError)     the bundle draws worse than was asked for

Leaves also inherit the builtin they specialise, so that ``except FileNotFoundError`` works as well. An error is one
sentence (what was got, what was expected) and, where there is something to do about it, a ``hint``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class EdgediffError(Exception):
    """Root of all errors that edgediff raises on purpose.

    Attributes:
        sentence: What went wrong, in one sentence.
        hint: What can be done about it, or None.
    """

    def __init__(self, sentence: str, *, hint: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

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
            f"`{bundle}` is not a bundle: expected a directory with `edgediff.json` or `model_index.json`"
            + (f", or one of the shipped models: {names}" if names else "")
            + (f"; nor a model of the hub: {hub}" if hub else ""),
            hint=hint or "make one with `edgediff export SOURCE BUNDLE`",
        )


class ManifestError(BundleError, ValueError):
    """A field of the manifest is missing or has the wrong type or value."""

    def __init__(self, where: str, *, got: object, expected: str) -> None:
        super().__init__(
            f"the manifest's `{where}` is {got!r}: expected {expected}",
            hint="`edgediff.json` is written by `edgediff export`; export the bundle again",
        )


class FormatVersionError(BundleError, ValueError):
    """The bundle's format is of a major version that this edgediff does not read."""

    def __init__(self, *, got: str, supported: int) -> None:
        super().__init__(
            f"the bundle's format version is {got}: this edgediff reads version {supported}.x",
            hint="upgrade edgediff, or export the bundle again with this version",
        )


class UnsafePathError(BundleError, ValueError):
    """A path named by a bundle points outside of it."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the path `{path}` leaves the bundle: expected a relative path to a file inside it",
            hint="put the file itself in place of a link to it",
        )


class ComponentFileError(BundleError, OSError):
    """A file of the bundle is missing, or is not the file that was exported."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"`{path}` {problem}", hint="copy the bundle again, or export it again")


class VerificationError(BundleError, ArithmeticError):
    """A bundle, measured again, is not as good as its manifest says."""

    def __init__(self, figure: str, *, claimed: str, measured: str, least: str) -> None:
        super().__init__(
            f"the manifest claims {claimed} as {figure}: measured {measured}, expected at least {least}",
            hint="either the manifest was changed, or this machine computes the bundle worse than the one it was "
            "exported on: `edgediff inspect` says what that was",
        )


class NotInstalledError(EdgediffError, ImportError):
    """Something was asked for whose packages are not installed."""

    def __init__(self, what: str, *, extra: str | None, reason: ImportError) -> None:
        package = "edgediff" if extra is None else f"edgediff[{extra}]"
        super().__init__(f"{what} is not installed ({reason})", hint=f"pip install '{package}'")


class EngineError(EdgediffError, RuntimeError):
    """An engine could not load or run a graph."""


class DeviceError(EngineError, ValueError):
    """An engine does not reach the device asked for."""

    def __init__(self, device: str, *, available: Iterable[str], hint: str | None = None) -> None:
        super().__init__(
            f"the device `{device}` is not available: expected one of {', '.join(available)}",
            hint=hint or "`edgediff devices` lists what this machine has",
        )


class SettingError(EdgediffError, ValueError):
    """A setting of a run has a value that cannot be applied."""

    def __init__(self, setting: str, *, got: object, expected: str, hint: str | None = None) -> None:
        super().__init__(f"`{setting}` is {got!r}: expected {expected}", hint=hint)
        self.setting = setting


class SamplerError(SettingError):
    """A sampler is unknown, or cannot be combined with the schedule, the steps or the model."""


class ImageError(EdgediffError, ValueError):
    """A picture cannot be read or written."""


class NonFiniteError(EdgediffError, ArithmeticError):
    """A component returned NaN or infinity."""

    def __init__(self, component: str, *, step: int | None = None, hint: str | None = None) -> None:
        where = "" if step is None else f" in step {step + 1}"
        super().__init__(
            f"the component `{component}` returned values that are not finite{where}",
            hint=hint or "half precision overflows in some models: export that component with `--precision fp32`",
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

    def __init__(self, figure: str, *, got: str, asked: str, worst: str, cost: str) -> None:
        super().__init__(
            f"the {figure} is {got}: expected at least {asked}; the component that costs most is `{worst}` ({cost})",
            hint=f"leave it in a higher precision, such as `--precision {worst}=fp32`",
        )
        self.worst = worst
