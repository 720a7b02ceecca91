"""Tiny random models of the families that other programs know too, as the tests have them.

    python benchmarks/interoperability/models.py FOLDER [NAME ...]

FOLDER gets a diffusers directory for each NAME, for ``run.py``; without a NAME it gets all of them. They are those of
``tests/parity/families`` but for their tokenizers. CLIP's says how long a prompt is, as its text encoder does: some
programs ask the one, some the other. T5's has a table of characters, like the released one, which OpenVINO can convert.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

from tokenizers import processors

from edgediff_runtimes.text.unigram import read_unigram

TESTS = Path(__file__).parents[2] / "tests"
T5_TOKENS = 512
# name -> (case of the tests, its variant)
MODELS = {
    "sdxl": ("stable_diffusion_xl", None),
    "sd3": ("stable_diffusion_3", "-3"),  # as the tests' 3.5, with the older transformer
    "sd3.5": ("stable_diffusion_3", "-3.5"),
    "sd3-without-t5": ("stable_diffusion_3", "-without-t5"),
    "flux-dev": ("flux", "-dev"),
    "flux-schnell": ("flux", "-schnell"),
    "flux2-klein": ("flux2_klein", None),
    "z-image": ("z_image", None),
    "qwen-image": ("qwen_image", None),
    "sana": ("sana", None),
    "pixart-alpha": ("pixart", "-alpha"),
    "pixart-sigma": ("pixart", "-sigma"),
}


def build(name: str, folder: Path) -> None:
    """Write one model into a folder that is not there yet."""
    case, variant = MODELS[name]
    drawn = _module(TESTS / "parity" / "families" / f"{case}.py")
    made = _module(TESTS / "exporters" / "conftest.py")

    def tokenizer(place: Path, kind: str = "clip") -> int:
        size: int = _write_t5(place) if kind == "t5" else made.write_tokenizer(place, kind=kind)
        return size

    given = {} if variant is None else {"variant": variant}
    index = drawn.build(folder, tokenizer=tokenizer, perturb=made.perturb, **given)
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    for place in folder.glob("tokenizer*"):
        encoder = _read(folder / place.name.replace("tokenizer", "text_encoder") / "config.json")
        if encoder["model_type"] == "clip_text_model":
            _set_length(place, encoder["max_position_embeddings"])


def _write_t5(folder: Path) -> int:
    shutil.copytree(TESTS / "golden" / "text" / "t5", folder)
    _set_length(folder, T5_TOKENS)
    chain = read_unigram(folder)
    (end,) = chain.after
    mark = chain.tokenizer.id_to_token(end)
    chain.tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {mark}", special_tokens=[(mark, end)])
    chain.tokenizer.save(str(folder / "tokenizer.json"))
    size: int = chain.tokenizer.get_vocab_size()
    return size


def _set_length(tokenizer: Path, tokens: object) -> None:
    config = tokenizer / "tokenizer_config.json"
    config.write_text(json.dumps({**_read(config), "model_max_length": tokens}), encoding="utf-8")


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Write the models that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[*MODELS, []], metavar="NAME", help=", ".join(MODELS))
    given = parser.parse_args()
    for name in given.names or MODELS:
        build(name, given.folder / name)


if __name__ == "__main__":
    main()
