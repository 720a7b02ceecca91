"""On a new machine an export writes its bundle and nothing else, and reaches for nobody."""

from __future__ import annotations

# In a precision that NNCF makes; ONNX Runtime's quantisers are imported as well.
EXPORT = """
import sys
from edgediff import export
import edgediff_exporters.quantization.onnx_int8
import edgediff_exporters.quantization.onnx_w4
export(sys.argv[1], "bundle", format="openvino", precision="w8", evaluation_pictures=0)
"""


def test_an_export(first_start, sd1):
    started = first_start(EXPORT, sd1)
    assert started.code == 0
    assert "folder/bundle/edgediff.json" in started.written
    ours = ("folder/bundle/", "home/.cache/edgediff/")
    assert [path for path in started.written if not path.startswith(ours)] == []
