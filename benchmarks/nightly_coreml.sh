#!/usr/bin/env bash
# The model `emoji-lcm` as Core ML packages: converted, computed by us operator by operator, compared with fp32. Core ML
# itself runs on Apple's systems alone. Takes minutes. Run in a clone with its .venv, which has coremltools.
# $1 is where bundles and distance.json go, a temporary folder by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-$(mktemp -d)}
.venv/bin/python benchmarks/coreml_distance.py benchmarks/models/emoji/pipelines/emoji-lcm "$folder" --at-least 75 55 35
echo "bundles and figures: $folder"
