#!/usr/bin/env bash
# emoji-lcm on Qualcomm's NPU, as the emulator of the package onnxruntime-qnn computes it (chip 57): exported with
# `--target qnn` in a16w8 and in fp16. Tells the dB of every component and picture, and fails where one is below what the
# bundle claims, where an operator on floats was left to the processor, and where compiled graphs are not loaded again by
# the next process. It says that such a chip can take the graphs, and nothing of its speed. Run in a clone with its .venv,
# which exports. Linux on x86-64. A picture takes minutes in the emulator: three on a busy machine of two cores. $1 is
# where bundles go, a temporary folder by default. The package has Qualcomm's own licence, which is yours to accept;
# nothing of it gets into a bundle.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-$(mktemp -d)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# An environment of its own: the plug-in is made for this version of onnxruntime.
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q onnxruntime-qnn==2.7.0 onnxruntime==1.32.0 numpy tokenizers pillow click rich
"$work/venv/bin/pip" install -q --no-deps .
export EDGEDIFF_CACHE=$work/cache
for precision in a16w8 fp16; do
    [ -e "$folder/$precision" ] || .venv/bin/edgediff export benchmarks/models/emoji/pipelines/emoji-lcm \
        "$folder/$precision" --target qnn --precision "$precision" --size 64x64 --default steps=4 --default guidance=1 \
        --evaluation-pictures 2 --min-psnr 35
    for _ in made "loaded again"; do
        "$work/venv/bin/python" benchmarks/loading.py "$folder/$precision" --device qnn.57
    done
    # Loads the same graphs a third time, so that the cache must not have got more.
    kept=$(find "$EDGEDIFF_CACHE" -name context.onnx | wc -l)
    "$work/venv/bin/edgediff" verify "$folder/$precision" --device qnn.57
    [ "$kept" = "$(find "$EDGEDIFF_CACHE" -name context.onnx | wc -l)" ]
    "$work/venv/bin/edgediff" run "a red apple" -m "$folder/$precision" --device qnn.57 --strict \
        -o "$folder/$precision.png" --overwrite
done
"$work/venv/bin/edgediff" cache
