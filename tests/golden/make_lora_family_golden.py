"""Make ``lora/families.npz`` again: what diffusers draws with LoRAs on tiny random models of FLUX.1 and SD3.

    pip install peft
    python tests/golden/make_lora_family_golden.py

The models are those of the parity tests; the LoRAs are ``loras_of_families.py``'s. diffusers reads them itself
(``load_lora_weights``) and applies them by PEFT (``set_adapters``). ``NAME/CASE/latents`` are the final ones, float32;
``NAME/CASE/image`` is the picture; the case ``base`` is without a LoRA.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from drawn_by_families import MODELS, module_of
from loras_of_families import MODELS as NAMES
from loras_of_families import SCALE, by_diffusers_names, by_kohyas_names

HERE = Path(__file__).parent


def main() -> None:
    """Draw and store."""
    conftest = module_of(HERE.parent / "exporters" / "conftest.py")
    arrays: dict[str, np.ndarray] = {}
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            model, source = MODELS[name], Path(folder) / "source"
            model.build(source, tokenizer=conftest.write_tokenizer, perturb=conftest.perturb)
            pipeline = model.load(source)
            shapes = {
                role: {key: tuple(value.shape) for key, value in getattr(pipeline, role).state_dict().items()}
                for role in ("transformer", "text_encoder")
            }
            files = {"base": None, "diffusers": by_diffusers_names(shapes)}
            if name.startswith("flux"):
                config = pipeline.transformer.config
                files["kohya"] = by_kohyas_names(config.num_attention_heads * config.attention_head_dim)
            for case, file in files.items():
                if file is not None:
                    pipeline.load_lora_weights({key: torch.from_numpy(value) for key, value in file.items()}, "one")
                    pipeline.set_adapters("one", SCALE)
                latents, images = model.drawn(pipeline, model.plans[0][0], start="noise")
                arrays |= {f"{name}/{case}/latents": latents, f"{name}/{case}/image": np.asarray(images[0])}
                if file is not None:
                    pipeline.unload_lora_weights()
                    off = np.abs(arrays[f"{name}/base/image"].astype(int) - np.asarray(images[0])).mean()
                    print(f"{name}, {case}: {len(file)} tensors change {off:.1f} of 255")  # noqa: T201 - a script
    provenance = {name: version(name) for name in ("torch", "diffusers", "transformers", "peft", "numpy")}
    np.savez_compressed(HERE / "lora" / "families.npz", about=json.dumps(provenance), **arrays)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
