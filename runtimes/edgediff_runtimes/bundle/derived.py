"""The manifest of a directory that has none: one that optimum-onnx or optimum-intel exported.

Such a directory holds diffusers' configs beside the graphs, which say all that a run needs. What only an export can
know (hashes, measured errors, shapes of inputs) stays empty.
"""

from __future__ import annotations

from pathlib import Path

from edgediff_runtimes.bundle.fields import Fields
from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.bundle.manifest import (
    SCALES,
    Component,
    Defaults,
    Latents,
    Manifest,
    Provenance,
    Tokenizer,
    scales,
)
from edgediff_runtimes.errors import BundleError, ComponentFileError, ManifestError
from edgediff_runtimes.untrusted.bounds import CHANNELS, FACTOR, SIDE
from edgediff_runtimes.untrusted.documents import read_json
from edgediff_runtimes.untrusted.links import find, locate

GRAPH_FILES = {"onnx": "model.onnx", "openvino": "openvino_model.xml"}
FAMILIES = {
    "StableDiffusionPipeline": "stable-diffusion",
    "StableDiffusionImg2ImgPipeline": "stable-diffusion",
    "LatentConsistencyModelPipeline": "stable-diffusion",
    "LatentConsistencyModelImg2ImgPipeline": "stable-diffusion",
}
REQUIRED = ("text_encoder", "unet", "vae_decoder")
_DEFAULT_SCALING = 0.18215  # diffusers' AutoencoderKL default, which early configs leave out
_DEFAULT_SAMPLE_SIZE = 64  # that of Stable Diffusion 1
_CLIP_MIN_TOKENS, _CLIP_MAX_TOKENS = 2, 77


def derive_manifest(root: Path) -> Manifest:
    """Derive the manifest of a directory in optimum's layout.

    Raises:
        BundleError: The family is unknown or a component is missing.
        ManifestError: A config is not what it should be.
    """
    index = _read_config(root, "model_index.json")
    class_name = index.string("_class_name").removeprefix("ORT").removeprefix("OV")
    family = FAMILIES.get(class_name)
    if family is None:
        raise BundleError(
            f"the family of `{class_name}` is unknown: expected one of {', '.join(sorted(FAMILIES))}",
            hint="export the model with `edgediff export`, or see the list of families in the README",
        )
    components = {
        role: component for role in (*REQUIRED, "vae_encoder") if (component := _derive_component(root, role))
    }
    for role in REQUIRED:
        if role not in components:
            raise BundleError(f"`{role}` is missing: expected `{role}/model.onnx` or `{role}/openvino_model.xml`")
    latents, factor = _derive_latents(root)
    size = _sample_size(_read_config(root, "unet/config.json")) * factor
    scheduler = _read_config(root, "scheduler/scheduler_config.json", infinities=True)
    scheduler.string("_class_name")
    distilled = class_name.startswith("LatentConsistencyModel")
    return Manifest(
        family=family,
        tasks=("text-to-image", "image-to-image") if "vae_encoder" in components else ("text-to-image",),
        components=components,
        scheduler=dict(scheduler.values),
        latents=latents,
        tokenizers=(_derive_tokenizer(root),),
        defaults=Defaults(steps=4 if distilled else 20, guidance=8.5 if distilled else 7.5, width=size, height=size),
        provenance=Provenance(source=root.name),
        strength=strength_of(class_name),
    )


def strength_of(class_name: str) -> str:
    """``Manifest.strength`` of a pipeline of diffusers.

    Latent consistency pipelines make their schedule for the strength and run all of it; every other runs its last part.

    Args:
        class_name: ``_class_name`` of its ``model_index.json``.
    """
    return "whole" if class_name.startswith("LatentConsistencyModel") else "tail"


def _sample_size(unet: Fields) -> int:
    """Latent pixels along the longer side of a picture; diffusers takes one number or two."""
    size = unet.values.get("sample_size") or _DEFAULT_SAMPLE_SIZE
    sides = size if isinstance(size, list) else [size]
    if not sides or not all(type(side) is int and 0 < side <= SIDE.most for side in sides):
        raise unet.fail("sample_size", f"one whole number above 0 and at most {SIDE.most:,}, or two")
    return max(sides)


def _derive_component(root: Path, role: str) -> Component | None:
    for format_, name in GRAPH_FILES.items():
        if find(root, f"{role}/{name}") is not None:
            names = [name, *sorted(p.name for p in (root / role).iterdir() if _is_weights(p, name))]
            found = {path: find(root, path) for path in (f"{role}/{n}" for n in names)}
            files = tuple(FileEntry(path, file.stat().st_size, None) for path, file in found.items() if file)
            return Component(format=format_, precision="unknown", files=files)
    return None


def _is_weights(path: Path, graph: str) -> bool:
    return path.name != graph and path.suffix in {".onnx_data", ".data", ".bin"}


def _derive_latents(root: Path) -> tuple[Latents, int]:
    config = next((name for part in ("vae_decoder", "vae") if find(root, name := f"{part}/config.json")), None)
    if config is None:
        raise BundleError("`vae_decoder/config.json` is missing: it says how latents are scaled")
    fields = _read_config(root, config)
    blocks = len(fields.array("block_out_channels"))
    if not 0 < blocks <= FACTOR.most.bit_length():
        raise fields.fail("block_out_channels", f"1 to {FACTOR.most.bit_length()} blocks")
    factor = 2 ** (blocks - 1)
    scaling = fields.optional_number("scaling_factor")
    latents = Latents(
        channels=fields.integer("latent_channels", minimum=1, bound=CHANNELS),
        factor=factor,
        scaling=_DEFAULT_SCALING if scaling is None else scaling,
        shift=fields.optional_number("shift_factor") or 0.0,
    )
    if not scales(latents.scaling):
        raise fields.fail("scaling_factor", SCALES)
    return latents, factor


def _derive_tokenizer(root: Path) -> Tokenizer:
    config = "tokenizer/tokenizer_config.json"
    limit = _read_config(root, config).values.get("model_max_length") if find(root, config) else None
    # Some tokenizer configs carry 1e30 for "no limit"; CLIP's position table has 77 places, two of them for its marks.
    if not isinstance(limit, int) or isinstance(limit, bool) or not _CLIP_MIN_TOKENS <= limit <= _CLIP_MAX_TOKENS:
        limit = _CLIP_MAX_TOKENS
    return Tokenizer("tokenizer", limit)


def _read_config(root: Path, where: str, *, infinities: bool = False) -> Fields:
    try:
        return Fields(read_json(locate(root, where), name=where, infinities=infinities), where)
    except ComponentFileError as error:
        raise ManifestError(where, got=error.problem, expected="a readable JSON file") from error
