"""The package: its public names are imported on first use, and the shipped models and the web page are data."""

from __future__ import annotations

from pathlib import Path

import edgediff

hiddenimports = sorted(set(edgediff._HOMES.values()))  # noqa: SLF001 - the package's own table
datas = [(str(Path(edgediff.__file__).parent / folder), f"edgediff/{folder}") for folder in ("models", "browser/page")]
# It needs torch, which would come along where it is installed. An app that imports the exporter itself still gets it.
excludedimports = ["edgediff_exporters"]
