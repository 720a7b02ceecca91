"""OpenVINO's form of a bundle, in its environment: ``python convert_openvino_genai.py PIPELINE BUNDLE TARGET``.

Graphs are converted from the bundle's ONNX files with fp32 weights. OpenVINO GenAI wants whole numbers of 64 bits for
tokens and time steps, as optimum's exporters have them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import openvino as ov
from openvino.preprocess import PrePostProcessor
from openvino_tokenizers import convert_tokenizer
from transformers import AutoTokenizer

CONFIGS = {"text_encoder": "text_encoder", "unet": "unet", "vae_decoder": "vae"}


def main(pipeline: Path, bundle: Path, target: Path) -> None:
    """Convert three graphs and the tokenizer, copy the configs."""
    for role, config in CONFIGS.items():
        (target / role).mkdir(parents=True, exist_ok=True)
        model = ov.convert_model(bundle / role / "model.onnx")
        processor = PrePostProcessor(model)
        for port in model.inputs:
            if port.any_name in ("input_ids", "timestep"):
                processor.input(port.any_name).tensor().set_element_type(ov.Type.i64)
        ov.save_model(processor.build(), target / role / "openvino_model.xml", compress_to_fp16=False)
        shutil.copy(pipeline / config / "config.json", target / role)
    shutil.copytree(pipeline / "scheduler", target / "scheduler", dirs_exist_ok=True)
    shutil.copytree(pipeline / "tokenizer", target / "tokenizer", dirs_exist_ok=True)
    tokenizer = convert_tokenizer(AutoTokenizer.from_pretrained(str(pipeline / "tokenizer")))
    ov.save_model(tokenizer, target / "tokenizer" / "openvino_tokenizer.xml")
    shutil.copy(pipeline / "model_index.json", target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
