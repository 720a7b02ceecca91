"""How long each component of a bundle takes to load for a device, and what is kept for the next process.

    python benchmarks/loading.py BUNDLE --device qnn.57

Run it twice: graphs that were compiled the first time are loaded the second.
"""

from __future__ import annotations

import argparse
import time

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.compiled_cache import CompiledCache
from edgediff_runtimes.engines import EngineOptions, engine_for
from edgediff_runtimes.fixed_graphs import load_graph


def main() -> None:
    """Load, and print seconds."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("bundle")
    options.add_argument("--device", required=True)
    given = options.parse_args()
    bundle = Bundle.open(given.bundle)
    before = {entry.name for entry in CompiledCache.of_user().entries()}
    for role, component in bundle.manifest.components.items():
        engine = engine_for(component.format, given.device)
        began = time.perf_counter()
        load_graph(engine, bundle.graph(role), device=given.device, options=EngineOptions()).close()
        print(f"{role}: {time.perf_counter() - began:.2f} s")
    made = [entry for entry in CompiledCache.of_user().entries() if entry.name not in before]
    size = sum(entry.bytes for entry in made) / 1e6
    print(f"{len(made)} compiled graphs were made, {size:.1f} MB")


if __name__ == "__main__":
    main()
