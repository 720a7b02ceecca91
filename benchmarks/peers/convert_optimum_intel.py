"""optimum-intel's own export of a pipeline, in its environment: ``python convert_optimum_intel.py PIPELINE _ TARGET``.

The same as ``optimum-cli export openvino --model PIPELINE TARGET``: with its own choice of weights' precision, and
with the tokenizer as a graph, which OpenVINO GenAI wants.
"""

from __future__ import annotations

import sys
from pathlib import Path

from optimum.exporters.openvino import main_export

if __name__ == "__main__":
    pipeline, _, target = sys.argv[1:]
    main_export(pipeline, Path(target), task="text-to-image", library_name="diffusers", convert_tokenizer=True)
