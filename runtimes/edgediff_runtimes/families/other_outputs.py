"""Outputs that another program's export calls otherwise, by the name that ours and most others have."""

from __future__ import annotations

from collections.abc import Mapping

# A transformer's, as optimum-intel calls it.
OTHER_OUTPUTS: Mapping[str, str] = {"out_hidden_states": "out_sample"}
