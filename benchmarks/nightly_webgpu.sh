#!/usr/bin/env bash
# emoji-lcm on WebGPU over a Vulkan device in software (Mesa's lavapipe): as it ships, and exported in fp32 and in fp16.
# Tells the dB of every picture from the processor's and which provider ran the nodes. A picture below 45 dB is a
# failure, and so is an operator on floats that the processor computed, but for the text encoder's IsNaN. It says that
# WebGPU computes right, and nothing of its speed. Run in a clone with its .venv, which exports.
# Needs Debian 12: Mesa 25 comes from bookworm-backports, into a folder of this run (bookworm's own 22.3 lacks what is
# asked of it; so does the SwiftShader of Chromium, which has no float16). Needs Vulkan's loader, which the package
# `chromium` has in /usr/lib/chromium; VULKAN_LOADER names another folder. Takes about seven minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/apt/lists/partial "$work"/apt/cache/archives/partial "$work/mesa"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] http://deb.debian.org/debian bookworm-backports main" > "$work/apt/sources.list"
apt=(apt-get -q -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=/nonexistent
    -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache")
"${apt[@]}" update
(cd "$work/mesa" && "${apt[@]}" download mesa-vulkan-drivers mesa-libgallium libdrm2)
for package in "$work"/mesa/*.deb; do dpkg -x "$package" "$work/mesa"; done
libraries=$work/mesa/usr/lib/x86_64-linux-gnu
driver=$work/mesa/usr/share/vulkan/icd.d/lvp_icd.json
sed -i "s#libvulkan_lvp.so#$libraries/libvulkan_lvp.so#" "$driver"

# An environment of its own: this build takes the place of `onnxruntime`.
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q onnxruntime-webgpu==1.27.0 numpy tokenizers pillow click rich
"$work/venv/bin/pip" install -q --no-deps .
for precision in fp32 fp16; do
    .venv/bin/edgediff export benchmarks/models/emoji/pipelines/emoji-lcm "$work/$precision" --precision "$precision" \
        --default steps=4 --default guidance=1
done
export VK_ICD_FILENAMES=$driver LD_LIBRARY_PATH=${VULKAN_LOADER:-/usr/lib/chromium}:$libraries
compare() { "$work/venv/bin/python" benchmarks/on_device.py "$@" --device webgpu --left IsNaN; }
compare edgediff/models/emoji-lcm edgediff/models/emoji-lcm --least 70
compare "$work/fp32" "$work/fp32" "$work/fp16" --least 45
