"""Optimum's own export of a pipeline, in its environment: ``python convert_optimum_onnx.py PIPELINE BUNDLE TARGET``."""

from __future__ import annotations

import sys

from optimum.onnxruntime import ORTPipelineForText2Image

if __name__ == "__main__":
    pipeline, _, target = sys.argv[1:]
    ORTPipelineForText2Image.from_pretrained(pipeline, export=True).save_pretrained(target)
