"""Make ``prompts/compel.npz``: the embeddings that compel makes of prompts.

    python tests/golden/make_compel_golden.py

Needs compel, transformers and PyTorch (2.4.0, 5.23.0 and 2.13.0 when it was made). For each of ``prompts`` it has
compel's embeddings, with ``DownweightMode.REMOVE`` and without truncation, around the text encoder of the shipped model
``emoji``.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from compel import Compel, DownweightMode
from compel.embeddings_provider import EmbeddingsProvider
from transformers import CLIPTokenizer

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.components import Components
from edgediff_runtimes.placement import Placement

GOLDEN = Path(__file__).parent / "prompts" / "compel.npz"
MODEL = Path(__file__).parents[2] / "edgediff" / "models" / "emoji"
COMPEL = (
    "a red apple",
    "a red apple++ on a table",
    "a (red apple)1.4, (round)++",
    "a (very (red)++ apple)1.2 on grass",
    "a red- apple",
    "a (red)0.5 (apple)-- on a table",
    'a "red apple"++ here',
    '("a red apple", "a blue boat").and()',
    '("a red apple", "a blue boat").and(1, 0.5)',
    '("a red apple++", "a blue boat").blend(1, 0.8)',
    '("a red apple", "a blue boat").blend(0.7, 0.6, no_normalize)',
    r"a \(red\) apple",
    "a well-known apple, and a three-legged-- table",
    "a red apple, a green pear. a blue boat on the sea, a small house with a big tree, and a yellow sun in the sky",
    "a red apple a green pear a blue boat on the sea a small house with a big tree and a yellow sun in the sky",
)


def main() -> None:
    """What compel makes of prompts."""
    components = Components(Bundle.open(MODEL), Placement())

    def encode(ids, mask=None, **_):  # noqa: ARG001 - of no use to a graph without a mask
        with components.use("text_encoder") as graph:
            states = graph.run({"input_ids": ids.numpy()}, ("last_hidden_state",))["last_hidden_state"]
        return SimpleNamespace(last_hidden_state=torch.from_numpy(states), pooler_output=None)

    encode.device, encode.dtype = torch.device("cpu"), torch.float32
    tokenizer = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
    theirs = Compel(tokenizer, encode, truncate_long_prompts=False, downweight_mode=DownweightMode.REMOVE)

    def blend(blended):  # 2.4.0 calls a function of its own with an argument that it does not take
        each = [theirs._get_conditioning_for_flattened_prompt(one)[0] for one in blended.prompts]
        stacked = torch.cat(theirs.pad_conditioning_tensors_to_same_length(each)).unsqueeze(0)
        weighed = EmbeddingsProvider.apply_embedding_weights(
            stacked, blended.weights, normalize=blended.normalize_weights
        )
        return weighed, torch.zeros(1, 0)

    theirs._get_conditioning_for_blend = blend
    arrays = {f"{index}": theirs.build_conditioning_tensor(prompt)[0].numpy() for index, prompt in enumerate(COMPEL)}
    np.savez_compressed(GOLDEN, prompts=np.frombuffer(json.dumps(COMPEL).encode(), np.uint8), **arrays)


if __name__ == "__main__":
    main()
