#!/usr/bin/env bash
# The page of `edgediff web` in headless Chromium: pictures, cancelling, offline use, refusals, WebGPU in software.
# Needs Node 20, and Chromium at $CHROMIUM (default /usr/bin/chromium); takes minutes. Run in a clone with its .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
cd web
npm ci --no-audit --no-fund
npm run check
npm test
EDGEDIFF="$root/.venv/bin/edgediff" PYTHON="$root/.venv/bin/python" npm run e2e
