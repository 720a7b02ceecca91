#!/usr/bin/env bash
# The page of `edgediff web` in headless Chromium: pictures, cancelling, offline use, refusals, WebGPU in software.
# Needs Node 20, and Chromium at $CHROMIUM (default /usr/bin/chromium); takes minutes. Run in a clone with its .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
[ -x "$CHROMIUM" ] || { echo "no Chromium at $CHROMIUM: name one by CHROMIUM (Debian has the package chromium)"; exit 1; }
cd web
npm ci --no-audit --no-fund
npm run check
npm test
EDGEDIFF="$root/.venv/bin/edgediff" PYTHON="$root/.venv/bin/python" npm run e2e
