"""Step 5: the text encoder learns which words mean which drawing, before it meets the denoiser.

    python -m benchmarks.models.emoji.text_encoder --work DIR --minutes 4

A linear head on the end token guesses the drawing and its colour from the caption. This is dozens of times cheaper than
learning words through pictures, and it is where wordings and synonyms are learnt; the head stays on as a small extra
loss in the joint training and is then thrown away. Words shared by several drawings end up between them, so seeds
differ there.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel

from benchmarks.models.emoji import data, recolour, tokenizer
from benchmarks.models.emoji.budget import options, run_of
from benchmarks.models.emoji.captions import Captions
from benchmarks.models.emoji.training import autocast, device, launch, train

COLOURED_SHARE = 0.1  # of the training pictures are recoloured ones


def build(tokens: int) -> CLIPTextModel:
    """An untrained CLIP text encoder: 2 layers of width 128."""
    config = CLIPTextConfig(
        vocab_size=tokens, hidden_size=128, intermediate_size=512, projection_dim=128, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=tokenizer.LENGTH, bos_token_id=tokens - 2,
        eos_token_id=tokens - 1, pad_token_id=tokens - 1, attn_implementation="eager",
    )  # fmt: skip
    return CLIPTextModel(config).to(device())


@final
class Examples:
    """Draws training examples: which picture, in which colour, under which caption.

    Only trained recolourings are drawn. `len(colours) - 1` is the class "as it is".
    """

    def __init__(self, work: Path) -> None:
        self.concepts, _ = data.load(work)
        self.colours = [*recolour.HUES, "as it is"]
        self._recoloured = recolour.load(work)[0]
        self._trained = [index for index, one in enumerate(self._recoloured) if not one.held_out]
        self._captions = Captions(self.concepts)
        self._tokenizer = tokenizer.load(work)

    def draw(self, generator: torch.Generator, count: int) -> tuple[list[str], Tensor, Tensor, Tensor]:
        """`count` examples.

        Returns:
            Captions, drawing (index), colour (class), row of the latents (the recoloured come last); all (count,).
        """
        dice = random.Random(generator.initial_seed())  # noqa: S311 - training data, not a secret
        texts, rows = [], []
        for _ in range(count):
            if self._trained and dice.random() < COLOURED_SHARE:
                place = dice.choice(self._trained)
                one = self._recoloured[place]
                texts.append(self._captions.draw_coloured(one, dice))
                rows.append((one.concept, self.colours.index(one.colour), len(self.concepts) + place))
            else:
                concept = dice.randrange(len(self.concepts))
                texts.append(self._captions.draw(concept, dice))
                rows.append((concept, len(self.colours) - 1, concept))
        drawing, colour, row = torch.tensor(rows).unbind(1)
        return texts, drawing, colour, row

    def encode(self, texts: list[str]) -> Tensor:
        """Token ids (batch, 24)."""
        ids: Tensor = self._tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return ids.to(device())


def build_with_head(examples: Examples, tokens: int) -> nn.ModuleDict:
    """Text encoder and the head that guesses drawing and colour from its pooled output."""
    head = nn.Linear(128, len(examples.concepts) + len(examples.colours)).to(device())
    return nn.ModuleDict({"text": build(tokens), "head": head})


def guess_loss(head: nn.Module, pooled: Tensor, drawing: Tensor, colour: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of drawing and colour, and the share of right drawings."""
    guess = head(pooled).float()
    classes = guess.shape[1] - len(recolour.HUES) - 1
    drawing, colour = drawing.to(guess.device), colour.to(guess.device)
    loss = functional.cross_entropy(guess[:, :classes], drawing) + functional.cross_entropy(guess[:, classes:], colour)
    return loss, (guess[:, :classes].argmax(1) == drawing).float().mean()


def _stage(arguments: argparse.Namespace) -> None:
    examples = Examples(arguments.work)
    model = build_with_head(examples, len(tokenizer.load(arguments.work)))

    def loss(generator: torch.Generator, progress: float) -> dict[str, Tensor]:
        del progress
        texts, drawing, colour, _ = examples.draw(generator, arguments.batch)
        with autocast():
            pooled = model["text"](examples.encode(texts)).pooler_output
            value, right = guess_loss(model["head"], pooled, drawing, colour)
        return {"loss": value, "right": right}

    train(run_of(arguments, "text", ema=0.99), model, loss)


def main() -> None:
    """Train, or go on training."""
    parser = options(__doc__, minutes=4, batch=192, rate=3e-3)
    launch(_stage, parser.parse_args())


if __name__ == "__main__":
    main()
