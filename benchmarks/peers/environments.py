"""Each peer in a virtual environment of its own, and the model in the form that each peer reads.

    python benchmarks/peers/environments.py CACHE [--only NAME ...]
    python benchmarks/peers/environments.py CACHE --prepare PIPELINE BUNDLE

The first line makes the environments in CACHE (about 8 GB, outside of the repository) with the versions below. The
second converts: optimum-onnx exports PIPELINE (a diffusers directory) itself; OpenVINO converts the graphs of BUNDLE,
which was exported from the same pipeline; diffusers and stable-diffusion.cpp read the pipeline, see ``released_names``.
edgediff's own 8-bit bundle is made by ``edgediff export`` (see the README) and handed to ``run.py``.
``optimum-intel`` is there for ``benchmarks/interoperability`` alone.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from released_names import release

ROOT = Path(__file__).parents[2]
# The versions that pip finds beside each other: optimum-onnx 0.1.0 wants transformers below 4.58.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "edgediff": (str(ROOT),),
    "edgediff-openvino": (f"{ROOT}[openvino]",),
    "diffusers": ("torch==2.13.0", "diffusers==0.42.1", "transformers==5.23.0", "accelerate", "pillow"),
    "optimum-onnx": (
        "torch==2.13.0",
        "optimum-onnx[onnxruntime]==0.1.0",
        "onnxruntime==1.32.0",
        "diffusers==0.39.0",
        "transformers==4.57.6",
        "accelerate",
        "pillow",
    ),
    # optimum-intel 2.2.0 wants diffusers below 0.40 and transformers below 5.6.
    "optimum-intel": (
        "torch==2.13.0",
        "optimum-intel[openvino]==2.2.0",
        "openvino==2026.4.1",
        "diffusers==0.39.0",
        "transformers==5.5.4",
        "accelerate",
        "pillow",
    ),
    # transformers is not asked for at run time, only to convert the tokenizer.
    "openvino-genai": ("openvino-genai==2026.4.1.0", "openvino-tokenizers", "transformers==5.23.0", "pillow"),
    "sdcpp": ("stable-diffusion-cpp-python", "pillow"),  # compiled here, with this machine's instructions
}
# peer -> (environment, settings for its driver)
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "edgediff": ("edgediff", {"engine": "onnxruntime"}),
    "edgediff openvino f32": ("edgediff-openvino", {"engine": "openvino", "execution": "f32"}),
    "edgediff openvino int8": ("edgediff-openvino", {"engine": "openvino", "model": "edgediff-int8"}),
    "edgediff openvino int8, 11 of 20 calls": (
        "edgediff-openvino",
        {"engine": "openvino", "model": "edgediff-int8", "steps": 20, "options": {"reuse": 11}},
    ),
    "edgediff openvino int8, 8 of 20 calls": (
        "edgediff-openvino",
        {"engine": "openvino", "model": "edgediff-int8", "steps": 20, "options": {"reuse": 8}},
    ),
    "diffusers fp32": ("diffusers", {"dtype": "float32"}),
    "diffusers bf16": ("diffusers", {"dtype": "bfloat16"}),
    "optimum-onnx": ("optimum-onnx", {}),
    "openvino-genai f32": ("openvino-genai", {"precision": "f32"}),
    "openvino-genai bf16": ("openvino-genai", {"precision": "bf16"}),
    "openvino-genai int8": ("openvino-genai", {"precision": "f32", "model": "edgediff-int8"}),
    "sdcpp": ("sdcpp", {}),
}


def python_of(cache: Path, environment: str) -> Path:
    """The interpreter of an environment."""
    return cache / environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def driver_of(environment: str) -> str:
    """The module that drives what is installed there, one for both of edgediff's; see ``driving.py``."""
    return f"drive_{environment.removesuffix('-openvino').replace('-', '_')}"


def versions(cache: Path, environment: str) -> list[str]:
    """Everything that is installed in an environment."""
    command = [str(python_of(cache, environment)), "-m", "pip", "freeze"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.partition(" @ ")[0] for line in told]  # not from where on this machine it was installed


def installed_bytes(cache: Path, environment: str) -> int:
    """Bytes of what an environment has beside the tools that every environment has."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([str(python_of(cache, environment)), "-c", code], capture_output=True, text=True, check=True)
    packages = Path(done.stdout.strip())
    tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    ours = [entry for entry in packages.iterdir() if not entry.name.startswith(tools)]
    files = [file for entry in ours for file in ([entry] if entry.is_file() else entry.rglob("*"))]
    # Compiled Python is left out: it comes with use, and is there for one peer and not for another.
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")


def make(cache: Path, environment: str) -> None:
    """Make one environment; one that is there is brought up to date."""
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(cache / environment)], check=True)
    ours = environment.startswith("edgediff")
    extra = ("--force-reinstall", "--no-deps") if ours and _is_there(cache, environment) else ()
    pip = [str(python_of(cache, environment)), "-m", "pip", "install", "--quiet", *extra]
    subprocess.run([*pip, *REQUIREMENTS[environment]], check=True)


def _is_there(cache: Path, environment: str) -> bool:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('edgediff') is None)"
    command = [str(python_of(cache, environment)), "-I", "-c", code]  # isolated: not what lies in this directory
    return subprocess.run(command, check=False).returncode == 0


def prepared(cache: Path, pipeline: Path) -> dict[str, Path]:
    """Where the converted models are."""
    return {name: cache / "models" / pipeline.name / name for name in ("pipeline", "optimum-onnx", "openvino-genai")}


def conversion(cache: Path, environment: str, pipeline: Path, target: Path, *, bundle: Path | None = None) -> list[str]:
    """The command that makes what a peer reads, in its environment.

    Args:
        cache: Where the environments are.
        environment: The peer's.
        pipeline: A diffusers directory as ``released_names`` leaves it.
        target: What to make.
        bundle: edgediff's bundle of the pipeline, for a peer whose graphs are made of ours.
    """
    script = Path(__file__).with_name(f"convert_{environment.replace('-', '_')}.py")
    return [*map(str, (python_of(cache, environment), script, pipeline, bundle, target))]


def prepare(cache: Path, pipeline: Path, bundle: Path) -> None:
    """Convert the model for the peers that need it and are installed."""
    targets = prepared(cache, pipeline)
    shutil.rmtree(targets["pipeline"].parent, ignore_errors=True)  # of an older state of the model
    release(pipeline, targets["pipeline"])
    for name, target in targets.items():
        if name != "pipeline" and python_of(cache, name).exists():
            subprocess.run(conversion(cache, name, targets["pipeline"], target, bundle=bundle), check=True)


def main() -> None:
    """Make environments, or prepare a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--only", nargs="+", choices=REQUIREMENTS, default=list(REQUIREMENTS))
    parser.add_argument("--prepare", nargs=2, type=Path, metavar=("PIPELINE", "BUNDLE"))
    given = parser.parse_args()
    cache = given.cache.resolve()
    if given.prepare:
        prepare(cache, *(path.resolve() for path in given.prepare))
        return
    for environment in given.only:
        make(cache, environment)
        print(f"{environment}: {installed_bytes(cache, environment) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
