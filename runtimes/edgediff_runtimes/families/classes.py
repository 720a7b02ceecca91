"""What families share that draw classes: the label of the caller's, and the names of the classes."""

from __future__ import annotations

from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe.declarations import Choice

TASK = "class-to-image"


def class_label(configs: Configs, *, classes: int, null: int | None = None) -> Choice:
    """The part that takes ``class_label``.

    Args:
        configs: ``model_index.json`` may have the names, as ``id2label``.
        classes: How many there are.
        null: What the unguided branch gets; None: the same label.

    Raises:
        ManifestError: ``id2label`` is no object of names by number.
    """
    return Choice("class_label", "label", null=null, below=classes, names=class_names(configs, classes=classes))


def class_names(configs: Configs, *, classes: int) -> dict[str, int]:
    """The number of each name, in lower case.

    A comma stands between two names of one class. What is the name of two classes stands for the later one, as in
    diffusers' ``DiTPipeline``.
    """
    index = Fields(configs.index, "model_index.json")
    if configs.index.get("id2label") is None:
        return {}
    numbers: dict[str, int] = {}
    for key, names in index.mapping("id2label").items():
        if not (key.isdecimal() and len(key) <= len(str(classes)) and int(key) < classes and isinstance(names, str)):
            raise index.fail("id2label", f"names by whole numbers from 0 to {classes - 1}")
        numbers.update((name.strip().lower(), int(key)) for name in names.split(",") if name.strip())
    return numbers
