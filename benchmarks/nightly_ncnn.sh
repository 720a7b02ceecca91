#!/usr/bin/env bash
# The model `emoji-lcm` with ncnn: converted by pnnx, drawn on the processor and on what Vulkan finds, compared with fp32.
# Takes minutes. Run in a clone with its .venv; a software Vulkan (Mesa's lavapipe, SwiftShader) is named by VK_ICD_FILENAMES.
# $1 is where bundles, pictures and distance.json go, a temporary folder by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-$(mktemp -d)}
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# Apart from .venv: the converter asks for a torch of its own, which its program does without.
.venv/bin/pip install -q --no-deps --target "$tools/pnnx" pnnx==20261020
.venv/bin/pip install -q --no-deps --target "$tools/ncnn" "$(grep '^ncnn==' constraints.txt)"
PNNX="$tools/pnnx/pnnx/pnnx" PYTHONPATH="$tools/ncnn" \
    .venv/bin/python benchmarks/ncnn_distance.py benchmarks/models/emoji/pipelines/emoji-lcm "$folder" \
    --at-least 100 --at-least-vulkan 60
echo "bundles, pictures and figures: $folder"
