#!/usr/bin/env bash
# The emoji models exported for ncnn by the command line and drawn on the processor and on what Vulkan finds, compared
# with fp32 in ONNX. Run in a clone with its .venv; a software Vulkan (Mesa's lavapipe, Chromium's SwiftShader) is named
# by VK_ICD_FILENAMES, its loader's folder by LD_LIBRARY_PATH. Takes minutes without Vulkan, an hour on SwiftShader.
# $1 is where bundles go, a temporary folder by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-$(mktemp -d)}
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# Apart from .venv: the converter asks for a torch of its own, which its program does without.
.venv/bin/pip install -q --no-deps --target "$tools/pnnx" pnnx==20261020
.venv/bin/pip install -q --no-deps --target "$tools/ncnn" "$(grep '^ncnn==' constraints.txt)"
export PNNX=$tools/pnnx/pnnx/pnnx PYTHONPATH=$tools/ncnn
mkdir -p "$folder"
models=benchmarks/models/emoji/pipelines

.venv/bin/edgediff export "$models/emoji-lcm" "$folder/lcm-onnx" --overwrite
# Each is measured as it is exported, component by component; the first in its second size.
ncnn() { .venv/bin/edgediff export "$models/$1" "$folder/$2" --target ncnn --overwrite --evaluation-pictures 4 "${@:3}"; }
ncnn emoji-lcm lcm-fp32 --size 64x64 --size 96x64 --trial-size 96x64 --min-psnr 80
ncnn emoji-lcm lcm-w16 --precision w16 --min-psnr 58
ncnn emoji-lcm lcm-fp16 --precision fp16 --min-psnr 58
ncnn emoji guided-w16 --precision w16 --default guidance=5 --min-psnr 50

draw() { .venv/bin/python benchmarks/on_device.py "$@"; }
draw "$folder/lcm-onnx" "$folder/lcm-fp32" --device cpu --least 80
draw "$folder/lcm-onnx" "$folder/lcm-w16" "$folder/lcm-fp16" --device cpu --least 55
if .venv/bin/edgediff devices | grep -q '^ncnn .* vulkan'; then
    left=(--left Embed Einsum)
    draw "$folder/lcm-onnx" "$folder/lcm-fp32" "$folder/lcm-w16" "$folder/lcm-fp16" --device vulkan --least 55 "${left[@]}"
    .venv/bin/edgediff verify "$folder/lcm-fp32" --device vulkan
fi
echo "bundles: $folder"
