"""What configs of a model say, however its autoencoder spells it."""

from __future__ import annotations

import pytest

from edgediff_runtimes.errors import ManifestError
from edgediff_runtimes.families import Configs

FIELDS = {"block_out_channels": 1, "encoder_block_out_channels": 1, "temperal_downsample": 0}


@pytest.mark.parametrize(("blocks", "whole"), FIELDS.items())
def test_the_factor_of_an_autoencoder_has_a_bound(blocks, whole):
    def factor(count):
        configs = Configs({}, {"vae": {blocks: [8] * count}, "unet": {"sample_size": [4, 6]}})
        return configs.vae_factor(blocks=blocks, whole=whole)

    assert [factor(whole + halvings) for halvings in (0, 3, 10)] == [1, 8, 1024]
    for count in (whole - 1, whole + 11, 100_000):
        if count >= 0:
            with pytest.raises(ManifestError, match=f"`vae/config.json.{blocks}`.*{whole} to {whole + 10} blocks"):
                factor(count)


def test_the_size_that_a_network_was_made_for_is_told_in_pixels():
    configs = Configs({}, {"unet": {"sample_size": [4, 6]}})
    assert configs.trained_size("unet", default=64, factor=8) == (48, 32)
