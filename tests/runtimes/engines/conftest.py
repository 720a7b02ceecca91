"""What the tests of engines share: graphs, and OpenVINO where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.errors import NotInstalledError


@pytest.fixture(scope="session")
def openvino():
    """The engine; imported as we import it, that is without its telemetry."""
    try:
        return get_engine("openvino")
    except NotInstalledError as error:
        pytest.skip(error.sentence)


@pytest.fixture(scope="session")
def ir(openvino, golden, tmp_path_factory):
    """Path of a golden graph as OpenVINO IR."""
    folder = tmp_path_factory.mktemp("ir")

    def ir(name):
        from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - there only where it is installed

        path = folder / name / "openvino_model.xml"
        if not path.exists():
            path.parent.mkdir()
            ov.save_model(openvino._core.read_model(golden / "engines" / f"{name}.onnx"), path, compress_to_fp16=False)
        return path

    return ir


@pytest.fixture
def load(openvino, golden, ir):
    """Loads a golden graph into OpenVINO, as ONNX or as IR."""

    def load(name, *, path=None, format_="onnx", device="auto", precision="fp32", outputs=(), **options):
        if path is None:
            path = ir(name) if format_ == "openvino" else golden / "engines" / f"{name}.onnx"
        graph = Graph("unet", path, format_, outputs=outputs, precision=precision)
        return openvino.load(graph, device=device, options=EngineOptions(**options))

    return load


@pytest.fixture
def pair():
    """Feeds of ``add.onnx``."""
    return {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.full((2, 3), 10, np.float32)}
