"""As much of the library ncnn as its engine asks of it, and as easily offended: it computes a few layers in NumPy."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np

MAGIC = "7767517"


class Mat:
    """Memory that is somebody else's until it is cloned."""

    def __init__(self, array, *, owned=False):
        self.array, self.owned = array, owned

    def clone(self):
        return Mat(self.array.copy(), owned=True)

    def __array__(self, dtype=None, copy=None):
        return self.array


class Gpu(SimpleNamespace):
    def device_name(self):
        return self.name

    def type(self):
        return self.kind


class Net:
    """Reads a real ``.param`` file; ``OnCpu`` is the one layer that no GPU computes."""

    KNOWN = ("Input", "Split", "Twice", "Add", "OnCpu")

    def __init__(self, library):
        self.library, self.gpu, self.weights = library, None, None
        self.opt = SimpleNamespace(num_threads=2, use_winograd_convolution=True, use_fp16_arithmetic=True)
        self._layers, self._names = [], {}

    def set_vulkan_device(self, index):
        self.gpu = index

    def load_param(self, path):
        magic, _, *lines = [line.split() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        assert magic == [MAGIC]
        for kind, name, bottoms, tops, *blobs in lines:
            if kind not in self.KNOWN:
                os.write(2, f"layer {kind} not exists or registered\n".encode())
                return -1
            numbers = [self._names.setdefault(blob, len(self._names)) for blob in blobs[: int(bottoms) + int(tops)]]
            on_gpu = kind != "OnCpu" and self.opt.use_vulkan_compute
            layer = SimpleNamespace(type=kind, name=name, support_vulkan=on_gpu)
            layer.bottoms, layer.tops = numbers[: int(bottoms)], numbers[int(bottoms) :]
            self._layers.append(layer)
        if self.gpu is not None and not self.library.half:
            self.opt.use_fp16_packed = self.opt.use_fp16_storage = False
        return 0

    def load_model(self, path):
        self.weights = path
        return self.library.load_model

    def layers(self):
        return self._layers

    def blobs(self):
        readers = {blob: index for index, layer in enumerate(self._layers) for blob in layer.bottoms}
        return [SimpleNamespace(consumer=readers.get(blob, -1)) for blob in range(len(self._names))]

    def input_names(self):
        return [layer.name for layer in self._layers if layer.type == "Input"]

    def output_names(self):
        return [name for name, blob in self._names.items() if self.blobs()[blob].consumer == -1]

    def output_indexes(self):
        return [self._names[name] for name in self.output_names()]

    def create_extractor(self):
        return Extractor(self)


class Extractor:
    def __init__(self, net):
        self.net, self.values = net, {}

    def input(self, name, mat):
        assert mat.owned, "the array may be gone when it is read"
        assert mat.array.dtype in (np.float32, np.int32)
        self.values[self.net._names[name]] = mat.array
        return 0

    def extract(self, blob):
        if self.net.library.code:
            return self.net.library.code, Mat(None)
        mat = Mat(self._value(blob))
        self.net.library.on_extract(blob)
        return 0, mat

    def _value(self, blob):
        if blob not in self.values:
            layer = next(layer for layer in self.net._layers if blob in layer.tops)
            taken = [self._value(each) for each in layer.bottoms]
            self.net.library.computed.append(layer.name)
            value = taken[0] + taken[1] if layer.type == "Add" else taken[0] * (2 if layer.type == "Twice" else 1)
            self.values |= dict.fromkeys(layer.tops, value)
        return self.values[blob]


class Library(SimpleNamespace):
    """The module. ``gpus`` are names and kinds; ``code`` is what computing returns, ``load_model`` what loading."""

    def __init__(self, gpus=(), **about):
        known = {"half": True, "code": 0, "load_model": 0, "arm": False, "on_extract": lambda _: None}
        super().__init__(__version__="1.0", computed=[], nets=[], Mat=Mat, **{**known, **about})
        self.gpus = [Gpu(name=name, kind=kind) for name, kind in gpus]

    def Net(self):  # noqa: N802 - the library's name
        self.nets.append(Net(self))
        return self.nets[-1]

    def cpu_support_arm_asimdhp(self):
        return self.arm

    def get_gpu_count(self):
        os.write(2, b"dlopen failed libvulkan.so.1\n")
        return len(self.gpus)

    def get_gpu_info(self, index):
        return self.gpus[index]
