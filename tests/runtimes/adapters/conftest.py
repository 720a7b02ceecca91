from __future__ import annotations

import json
import struct

import numpy as np
import pytest

NAMES = {"float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8"}


@pytest.fixture
def written(tmp_path):
    """``written(name, tensors, **metadata)``: a safetensors file, laid out as the format says and by no library."""

    def write(name, tensors, **metadata):
        header, data = {"__metadata__": metadata} if metadata else {}, b""
        for key, array in tensors.items():
            bytes_ = np.ascontiguousarray(array).tobytes()
            header[key] = {
                "dtype": NAMES[array.dtype.name],
                "shape": list(array.shape),
                "data_offsets": [len(data), len(data) + len(bytes_)],
            }
            data += bytes_
        text = json.dumps(header).encode()
        (tmp_path / name).write_bytes(struct.pack("<Q", len(text)) + text + data)
        return tmp_path / name

    return write
