"""What is added to a model: LoRA and its kin to its weights, words of textual inversion to its vocabulary."""

from __future__ import annotations

from edgediff_runtimes.adapters.adapted import Adapted, adapt
from edgediff_runtimes.adapters.embeddings import AppliedEmbedding, EmbeddingFiles
from edgediff_runtimes.adapters.lora import AppliedLora, Loras

__all__ = ["Adapted", "AppliedEmbedding", "AppliedLora", "EmbeddingFiles", "Loras", "adapt"]
