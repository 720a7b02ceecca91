"""SANA.

Xie et al. 2024, "SANA: Efficient High-Resolution Image Synthesis with Linear Diffusion Transformers". Order of draws
and numbers: those of diffusers' SanaPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import TASKS
from edgediff_runtimes.recipe.declarations import Affine, Graph, Noise, Pick, Pictures, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Space, Stage

_TOKENS = 300
_INSTRUCTION = """\
Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual descriptions suitable for image \
generation. Evaluate the level of detail in the user prompt:
- If the prompt is simple, focus on adding specifics about colors, shapes, sizes, textures, and spatial relationships \
to create vivid and concrete scenes.
- If the prompt is already detailed, refine and enhance the existing details slightly without overcomplicating.
Here are examples of how to transform or refine prompts:
- User Prompt: A cat sleeping -> Enhanced: A small, fluffy white cat curled up in a round shape, sleeping peacefully \
on a warm sunny windowsill, surrounded by pots of blooming red flowers.
- User Prompt: A busy city street -> Enhanced: A bustling city street scene at dusk, featuring glowing street lamps, a \
diverse crowd of people in colorful clothing, and a double-decker bus passing by towering glass skyscrapers.
Please generate only the enhanced description for the prompt below and avoid including any additional commentary or \
evaluations:
User Prompt: """
_SAMPLE_SIZE = 32
# A language model's states of a prompt behind an instruction.
INSTRUCTED: tuple[Part, ...] = (
    Tokens(
        "tokenizer",
        "ids",
        length=_TOKENS,
        mask="seen",
        template=f"{_INSTRUCTION}{{}}",
        negative_template="{}",
        clean="lower",
        kept="kept",
        head=_INSTRUCTION,
    ),
    Graph("text_encoder", {"input_ids": "ids", "attention_mask": "seen"}, {"last_hidden_state": "states"}),
    Pick("states", "kept", "text"),
    Pick("seen", "kept", "mask"),
)


def recipe(configs: Configs) -> Recipe:
    """A language model's states behind an instruction, a transformer over latents and these, one deep autoencoder."""
    transformer = configs.of("transformer")
    feeds = {"hidden_states": "x", "encoder_hidden_states": "text", "encoder_attention_mask": "mask"}
    times = transformer.optional_number("timestep_scale")
    feeds["timestep"] = "time"
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor(configs)),
        given=INSTRUCTED,
        tasks={TASKS[0]: (Noise(),)},
        network=(
            Affine("t_rows", "time", times=1.0 if times is None else times),
            Graph("transformer", feeds, {"out_hidden_states": "prediction"}),
        ),
        result=decoded(configs.scaling()[0]),
        guidance=Guidance(),
    )
    return Recipe((stage,))


def decoded(scaling: float) -> tuple[Part, ...]:
    """Pictures of latents, one at a time; ``scaling`` is what the autoencoder's were multiplied by."""
    return (
        Affine("x", "latents", over=scaling),
        Graph("vae_decoder", {"latent_sample": "latents"}, {"sample": "pixels"}, alone=True, tiled=True),
        Pictures("pixels"),
    )


def defaults(configs: Configs, *, steps: int = 20) -> Defaults:
    """The size it was trained at; steps and guidance of diffusers' pipelines."""
    width, height = configs.trained_size("transformer", default=_SAMPLE_SIZE, factor=factor(configs))
    return Defaults(steps=steps, guidance=4.5, width=width, height=height)


def factor(configs: Configs) -> int:
    """Pixels along one side of an entry of the latents."""
    return configs.vae_factor(blocks="encoder_block_out_channels")


SANA = Family(
    name="sana",
    pipelines=("SanaPipeline",),
    recipe=recipe,
    defaults=defaults,
)
