"""Tensors of a source that no module reads: let go where they are known to say nothing, else refused or warned of."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import final

from edgediff_runtimes.errors import SourceError

_NAMED_AT_MOST = 3


class UnreadTensorsWarning(UserWarning):
    """A source holds tensors that nothing reads; the message names some."""


@final
@dataclass(frozen=True, slots=True)
class _Addition:
    """What changes a model's pictures and is no part of the model: how its tensors are called, and what to do."""

    names: str
    what: str
    hint: str


_ADDITIONS = (
    _Addition(
        r"lora_|\.lora\.|_lora\.|\.base_layer\.|hada_w\d|lokr_w\d|dora_scale|oft_blocks",
        "a LoRA that is not merged into the weights",
        "load it in diffusers, call `pipeline.fuse_lora()` and `pipeline.unload_lora_weights()`, and export what "
        "`save_pretrained` writes",
    ),
    _Addition(
        r"to_[kv]_ip|image_proj|ip_adapter|encoder_hid_proj",
        "an IP-Adapter",
        "save the model without it: `pipeline.unload_ip_adapter()`",
    ),
    _Addition(
        r"^control_model\.|controlnet|input_hint_block|zero_convs", "a ControlNet", "export the model without it"
    ),
    _Addition(r"motion_modules?\.", "a motion module", "export the model that it was added to"),
    _Addition(r"\bfuser\.|position_net\.", "GLIGEN's layers", "export a model without them"),
    _Addition(
        r"label_emb\.",
        "conditions of unCLIP",
        "load the checkpoint with diffusers' `from_single_file`, and export what `save_pretrained` writes",
    ),
    _Addition(
        r"^edm_(mean|std)$|^edm_vpred\.",
        "a mark that it was trained with the noise levels of EDM",
        "load the checkpoint with diffusers' `from_single_file`, and export what `save_pretrained` writes",
    ),
    _Addition(
        r"^(v_pred|ztsnr)$",
        "a mark that it predicts v, or was trained at a signal-to-noise ratio of zero",
        "give `config` a directory whose scheduler says so (`prediction_type`, `rescale_betas_zero_snr`)",
    ),
)


@final
@dataclass(frozen=True, slots=True)
class Addition:
    """An addition that was found: one of its tensors, what it is, and what to do."""

    name: str
    what: str
    hint: str


def find_addition(names: Iterable[str]) -> Addition | None:
    """What changes a model's pictures and is no part of the model, by the names of tensors; None where nothing is."""
    given = sorted(names)
    for addition in _ADDITIONS:
        for name in given:
            if re.search(addition.names, name):
                return Addition(name, addition.what, addition.hint)
    return None


def check_leftovers(unread: Collection[str], known: Mapping[str, str], *, where: str) -> None:
    """Look at tensors that nothing reads.

    Args:
        unread: Their names.
        known: Patterns of names that may be let go, each with the reason why.
        where: What holds them, for the sentence.

    Raises:
        SourceError: They belong to something that changes what the model draws.
    """
    rest = sorted(name for name in unread if not any(re.search(pattern, name) for pattern in known))
    if (found := find_addition(rest)) is not None:
        raise SourceError(
            f"{where} holds {found.what}, which would be lost: expected no tensors such as `{found.name}`",
            hint=found.hint,
        )
    if rest:
        some = ", ".join(f"`{name}`" for name in rest[:_NAMED_AT_MOST])
        more = f" and {len(rest) - _NAMED_AT_MOST:,} more" if len(rest) > _NAMED_AT_MOST else ""
        warnings.warn(
            f"{where} holds tensors that no part of the model reads, and they are left out: {some}{more}",
            UnreadTensorsWarning,
            stacklevel=2,
        )
