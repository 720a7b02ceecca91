"""The most that numbers and files of others may be: each becomes memory or time before anything else could refuse it.

A bound is far above what any published model needs, and low enough that a small machine gets a sentence, not a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

_MIB = 1 << 20


@final
@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a number may be, and why."""

    most: int
    reason: str

    @property
    def expected(self) -> str:
        """What to say of a number that is larger."""
        return f"a whole number of at most {self.most:,}, because {self.reason}"


STEPS = Bound(10_000, "a schedule is made whole before the first step, and DDPM's own has 1000 to 4000")
TRAIN_TIMESTEPS = Bound(
    100_000, "every training timestep is a row of the schedule's tables, and diffusers' own defaults are 40 to 2000"
)
SIDE = Bound(16_384, "latents for pictures of 8192 pixels are planned for, and a side twice as long is left free")
PIXELS = Bound(1 << 28, "all pictures of a run are in memory at once, 12 bytes a pixel: this many take 3.2 GB")
THREADS = Bound(1024, "each is a thread of the system, and no processor has more cores than that")
IMAGES = Bound(4096, "each picture of a run has its own generator of noise")
CHANNELS = Bound(4096, "a latent pixel that stands for 32x32 RGB pixels has 3072 numbers to tell at most")
FACTOR = Bound(1024, "one latent pixel would be a whole picture of 1024 pixels")
TOKENS = Bound(8192, "a row of tokens is padded to its limit, and attention takes its square; CLIP takes 77, T5 512")
LOOKED_AT = Bound(1 << 16, "each is a token of the text about the picture, and Qwen2.5-VL has 16,384 of one at most")
MARK = Bound(256, "it stands in the text once for each token of a picture")
CHUNKS = Bound(64, "every step attends to all chunks of a prompt, and this many are 4800 tokens of CLIP's")
CHARACTERS = Bound(100_000, "a prompt in a syntax is read for every step, and 4800 tokens have a tenth of it")
VOCABULARY = Bound(1 << 20, "an id is a row of the text encoder's embeddings, and CLIP has 49,408")
RECORD_BYTES = Bound(512 * _MIB, "a record of quality is read whole, and its 12 pictures of 1024 pixels have 38 MB")

LABELS = Bound(1 << 16, "the largest set of classes that a published model draws has 21,841")
AXIS = Bound(16, "no array of a model has more axes than that")

# What is divided by it in float32 and multiplied again must come back.
SCALES = "a number from 1e-6 to 1e6 or the negative of one, because latents are divided by it in float32"


def scales(scaling: float) -> bool:
    """Whether latents can be scaled by a number and back."""
    return 1e-6 <= abs(scaling) <= 1e6  # noqa: PLR2004 - said in SCALES


TEXT_BYTES = Bound(16 * _MIB, "a list of prompts or words is read whole, and a million of them have less")
JSON_BYTES = Bound(16 * _MIB, "parsed JSON may take twenty times its size, and a config has some kilobytes")
TOKENIZER_BYTES = Bound(64 * _MIB, "a tokenizer's files are read whole, and CLIP's have 4 MB")
REWRITTEN = Bound(256, "every character of a prompt may become as many bytes, and Unicode's own rules make 33 of one")
JSON_DEPTH = Bound(32, "no config nests deeper than ten, and deep ones exhaust the stack of whoever walks them")
