"""Figures of distance: against other implementations' values, against the formula written out, at their ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgediff_runtimes.quality.measures import MAX_DB, energies, energies_db, psnr_db, snr_db, ssim

# scikit-image 0.26.0 on ``pair(shape, noise, seed)``: structural_similarity(a, b, data_range=255, channel_axis=2,
# gaussian_weights=True, sigma=1.5, use_sample_covariance=False) and peak_signal_noise_ratio(a, b, data_range=255).
SCIKIT_IMAGE = [
    ((64, 64), 3, 0, 0.9765580467228046, 38.52444861341173),
    ((40, 72), 12, 1, 0.740697630832722, 26.601369345476556),
    ((11, 13), 60, 2, 0.11690758223721089, 13.010646369490232),
]


def pair(shape, noise, seed):
    """A smooth picture in three channels, and the same with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    smooth = np.stack([127 + 80 * np.sin(x / 7 + c) * np.cos(y / 5 - c) for c in range(3)], axis=2)
    noisy = smooth + noise * rng.standard_normal(smooth.shape)
    return tuple(np.clip(picture, 0, 255).astype(np.uint8) for picture in (smooth, noisy))


def ssim_written_out(a, b):
    """Eq. 13 window by window, each with its weighted moments as eqs. 14 to 16 have them."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(3):
        for top in range(a.shape[0] - 10):
            for left in range(a.shape[1] - 10):
                x, y = (p[top : top + 11, left : left + 11, channel].astype(float) for p in (a, b))
                mu_x, mu_y = (weights * x).sum(), (weights * y).sum()
                var_x, var_y = (weights * (x - mu_x) ** 2).sum(), (weights * (y - mu_y) ** 2).sum()
                both = (weights * (x - mu_x) * (y - mu_y)).sum()
                values.append(
                    (2 * mu_x * mu_y + c1) * (2 * both + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
                )
    return np.mean(values)


@pytest.mark.parametrize(("shape", "noise", "seed", "similarity", "decibel"), SCIKIT_IMAGE)
def test_pictures_are_measured_as_scikit_image_measures_them(shape, noise, seed, similarity, decibel):
    a, b = pair(shape, noise, seed)
    assert ssim(a, b) == pytest.approx(similarity, abs=1e-9)
    assert psnr_db(a, b) == pytest.approx(decibel, abs=1e-9)


def test_ssim_is_the_paper_s_formula():
    a, b = pair((15, 14), 30, 3)
    assert ssim(a, b) == pytest.approx(ssim_written_out(a, b), abs=1e-9)


def test_ssim_is_symmetric_and_one_only_for_equal_pictures():
    a, b = pair((32, 24), 8, 4)
    assert ssim(a, b) == ssim(b, a) < 1
    assert ssim(a, a) == 1


def test_a_picture_smaller_than_the_window_is_measured():
    a, b = pair((8, 8), 20, 5)
    assert ssim(a, a) == pytest.approx(1)
    assert 0 < ssim(a, b) < 1


def test_psnr_by_hand():
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr_db(black, black + np.uint8(255)) == 0
    one = black.copy()
    one[0, 0, 0] = 51  # a fifth of 255 in one number of 48
    assert psnr_db(black, one) == pytest.approx(10 * math.log10(25 * 48))


@pytest.mark.parametrize("deviation", [1e-1, 1e-3, 1e-5])
def test_snr_of_noise_of_known_deviation(deviation):
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal((2, 100_000))
    assert snr_db(signal, signal + deviation * noise) == pytest.approx(-20 * math.log10(deviation), abs=0.05)
    assert snr_db(3 * signal, 3 * (signal + deviation * noise)) == pytest.approx(-20 * math.log10(deviation), abs=0.05)


def test_ends_are_numbers():
    some = np.ones(3, np.float32)
    assert snr_db(some, some) == MAX_DB
    assert snr_db(some, some * np.float32(1 + 1e-7)) == MAX_DB
    assert snr_db(np.zeros(3), some) == -MAX_DB
    assert snr_db(np.zeros(3), np.zeros(3)) == MAX_DB
    assert snr_db(some, np.array([1, np.nan, 1])) == -MAX_DB
    assert snr_db(some, np.array([1, np.inf, 1])) == -MAX_DB


def test_energies_of_halves_add_up():
    rng = np.random.default_rng(1)
    wanted, got = rng.standard_normal((2, 8, 5)).astype(np.float32)
    halves = [energies(wanted[part], got[part]) for part in (slice(4), slice(4, 8))]
    assert energies_db(*np.sum(halves, axis=0)) == pytest.approx(snr_db(wanted, got))


def test_half_precision_is_not_summed_in_half_precision():
    many = np.full(100_000, 300, np.float16)
    assert snr_db(many, many + np.float16(1)) == pytest.approx(20 * math.log10(300), abs=0.01)


def test_what_cannot_be_compared_is_refused():
    picture = np.zeros((12, 12, 3), np.uint8)
    for measure in (psnr_db, ssim):
        with pytest.raises(ValueError, match="expected one shape"):
            measure(picture, picture[:11])
        with pytest.raises(ValueError, match="expected uint8"):
            measure(picture, picture.astype(np.float32))
    with pytest.raises(ValueError, match="expected one shape"):
        snr_db(np.zeros(3), np.zeros((1, 3)))
