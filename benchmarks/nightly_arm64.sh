#!/usr/bin/env bash
# The runtime on ARM64 Linux, emulated (qemu-user): its tests without PyTorch, and whether the graphs answer bit for bit
# what they answer on this machine. Run in a clone with its .venv.
#
#     benchmarks/nightly_arm64.sh FOLDER [ARGUMENTS OF PYTEST]
#
# All that it makes lies in FOLDER (0.9 GB); what is there already is not made again. Needs Debian 12 or later on x86-64:
# qemu 10 and the ARM64 packages of Python 3.11 come from Debian's archive into FOLDER, nothing is installed. (Debian 12's
# own qemu 7.2 crashes on `import onnxruntime`.)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 1 ] || { sed -n 2,9p "$0"; exit 2; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
shift
tests=("$@")
if [ $# = 0 ]; then
    tests=(tests/runtimes/test_pipeline_golden.py tests/runtimes/test_family_goldens.py tests/runtimes/noise tests/runtimes/sampling)
fi
root=$work/root
python=$work/python
site=$root/usr/local/lib/python3.11/dist-packages

# debian SUITE ARCHITECTURE PACKAGE... unpacks packages and what they depend on into $into, whatever this machine has.
debian() {
    local suite=$1 architecture=$2 apt=$work/apt/$1
    shift 2
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$into"
    : > "$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main" \
        > "$apt/sources.list"
    local command=(apt-get -q -y -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/nonexistent
        -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt"
        -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture")
    "${command[@]}" update
    "${command[@]}" install --no-install-recommends --download-only "$@"
    for package in "$apt"/archives/*.deb; do dpkg -x "$package" "$into"; done
}

if [ ! -e "$python" ]; then
    into=$work/qemu debian bookworm-backports amd64 qemu-user
    into=$root debian bookworm arm64 python3.11 libgomp1 libstdc++6
    # Debian's own points out of the tree. A process that Python starts as `sys.executable` is to be emulated as well.
    rm -f "$root/usr/lib/python3.11/sitecustomize.py"
    echo "import sys; sys.executable = sys._base_executable = '$python'" > "$root/usr/lib/python3.11/sitecustomize.py"
    printf '#!/bin/sh\nexec %q -L %q %q "$@"\n' "$work/qemu/usr/bin/qemu-aarch64" "$root" "$root/usr/bin/python3.11" \
        > "$work/python.part"
    chmod +x "$work/python.part"
    mv "$work/python.part" "$python"
fi

# Wheels of ARM64 as users get them. The last four are for the tests.
install() { .venv/bin/pip install -q --upgrade --target "$site" "$@"; }
if [ ! -e "$work/packages" ]; then
    install -c constraints.txt --only-binary=:all: --implementation cp --python-version 3.11 \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
        numpy onnxruntime tokenizers pillow click rich onnx pytest hypothesis filelock
    touch "$work/packages"
fi
install --no-deps .

# What the bundles compute: the shipped models (w8, computed in float32), and one in fp32 and in int8. How good the int8
# is does not matter here: few pictures calibrate it, and none measures it.
exported() {
    [ -e "$work/$1/edgediff.json" ] || .venv/bin/edgediff export benchmarks/models/emoji/pipelines/emoji-lcm "$work/$1" \
        --precision "$@" --default steps=4 --default guidance=1
}
exported fp32
exported int8 --calibration-pictures 4 --evaluation-pictures 0
float=(edgediff/models/emoji edgediff/models/emoji-lcm "$work/fp32")
export OMP_NUM_THREADS=1
.venv/bin/python benchmarks/same_bits.py record "$work/bits.npz" "${float[@]}" "$work/int8"
"$python" benchmarks/same_bits.py compare "$work/bits.npz" "${float[@]}" --least 80
# One number that is rounded up here and down there is seen in an int8 picture.
"$python" benchmarks/same_bits.py compare "$work/bits.npz" "$work/int8" --least 40

# -P: what is tested is the wheel, not the clone that lies here.
"$python" -P -m pytest -v -p no:cacheprovider "${tests[@]}"
