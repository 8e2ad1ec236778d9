"""Sounds, distances, heat and motion: the doors they come in by, what a model is given of them, and vectors."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shrink import tiny
from torch.nn import functional as F
from transformers import audio_utils

from chiasm import Depth, Motion, Sound, Thermal
from chiasm.errors import BadPicture, Unsupported
from chiasm.loading import load_local
from chiasm.local import LocalAssistant
from chiasm.model import Bind
from chiasm.pixels.items import given, signal_of
from chiasm.pixels.mel import pieces, resampled, spectrogram
from chiasm.pixels.sound import SoundLimits, Wave, open_sound, sampled
from chiasm.reference.cases import RECORDED
from chiasm.registry import families
from chiasm.spec import Bind as BindSpec
from chiasm.spec import Mel

DRAW = np.random.default_rng(0)


def wav(samples: np.ndarray, rate: int = 16000, width: int = 2, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def npy(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=True)
    return out.getvalue()


def png(values: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def tone(hertz: float, rate: int, seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def signals() -> BindSpec:
    model = families()["imagebind"].model
    assert isinstance(model, BindSpec)
    return model


def shown(item: Sound | Depth | Thermal | Motion) -> np.ndarray:
    signal = signal_of(signals().signals, item)
    assert signal is not None
    return given(item, signal)


def test_spectrograms_are_kaldis() -> None:
    samples = DRAW.normal(0, 0.1, 32000).astype(np.float32)
    filters = audio_utils.mel_filter_bank(257, 128, 20, 8000, 16000, mel_scale="kaldi", triangularize_in_mel_space=True)
    wanted = audio_utils.spectrogram(
        samples, audio_utils.window_function(400, "hann", periodic=False), 400, 160, 512, power=2.0, center=False,
        preemphasis=0.97, mel_filters=filters, log_mel="log", mel_floor=float(np.finfo(np.float32).eps), remove_dc_offset=True,
    )  # fmt: skip
    got = spectrogram(samples, 128, 16000)
    assert got.shape == (128, 198)
    np.testing.assert_allclose(got, wanted, atol=2e-4)


def test_three_pieces_reach_from_the_beginning_to_the_end() -> None:
    samples = DRAW.normal(0, 0.1, 80000).astype(np.float32)
    got = pieces(sampled(samples, 16000), Mel())
    assert got.shape == (3, 1, 128, 204)
    for piece, start in zip(got, (0, 24000, 48000), strict=True):
        wanted = (spectrogram(samples[start : start + 32000], 128, 16000) + 4.268) / 9.138
        np.testing.assert_allclose(piece[0, :, :198], wanted, rtol=1e-5)
        np.testing.assert_allclose(piece[0, :, 198:], 4.268 / 9.138, rtol=1e-5)
    short = pieces(sampled(samples[:8000], 16000), Mel())
    assert np.array_equal(short[0], short[2])


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_a_tone_is_the_same_tone_at_another_rate(rate: int) -> None:
    got, wanted = resampled(tone(440, rate, 1), rate, 16000), tone(440, 16000, 1)
    assert len(got) == 16000
    np.testing.assert_allclose(got[200:-200], wanted[200:-200], atol=2e-3)


def test_what_is_too_high_for_a_rate_is_gone() -> None:
    assert np.abs(resampled(tone(12000, 48000, 1), 48000, 16000)[200:-200]).max() < 2e-3


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_numbers_of_every_width_are_the_same_sound(width: int, tmp_path: Path) -> None:
    wanted = tone(300, 16000, 0.1)
    whole = np.round(wanted.astype(np.float64) * (2 ** (8 * width - 1) - 1)).astype("<i4")
    stored = (whole + 128).astype(np.uint8) if width == 1 else whole.view(np.uint8).reshape(-1, 4)[:, :width]
    (tmp_path / "a.wav").write_bytes(wav(np.ascontiguousarray(stored), width=width))
    got = open_sound(tmp_path / "a.wav")
    np.testing.assert_allclose(got.samples_T, wanted, atol=2.0 ** (2 - 8 * width))


def test_the_first_channel_is_heard() -> None:
    both = np.stack([np.arange(800), -np.arange(800)], 1).astype("<i2")
    got: Wave = open_sound(wav(both, channels=2))
    np.testing.assert_array_equal(got.samples_T * 2**15, np.arange(800))


GOOD = wav(np.zeros(1600, "<i2"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (GOOD[:-100], "cut short"),
        (GOOD[:20], "not a WAV file"),
        (b"RIFF" + b"\0" * 60, "not a WAV file"),
        (GOOD[:40] + struct.pack("<I", 0xFFFFFFFE) + GOOD[44:], "lasts 134,218 seconds"),
        (GOOD[:24] + struct.pack("<I", 15999) + GOOD[28:], "15,999 samples a second"),
        (GOOD[:20] + struct.pack("<H", 3) + GOOD[22:], "not a WAV file of whole numbers"),
        (GOOD[:22] + struct.pack("<H", 64) + GOOD[24:], "64 channels|not a WAV"),
        (b"", "empty"),
    ],
)
def test_what_is_no_sound_is_refused(source: bytes, said: str) -> None:
    with pytest.raises(BadPicture, match=said):
        open_sound(source)


def test_caps_of_sounds_hold(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match="at most 0 are read"):
        open_sound(GOOD, SoundLimits(seconds=0.01))
    with pytest.raises(BadPicture, match="bytes is above"):
        open_sound(GOOD, SoundLimits(bytes=100))
    with pytest.raises(BadPicture, match="no such file"):
        open_sound(tmp_path / "none.wav")
    with pytest.raises(BadPicture, match="at least 25 ms"):
        pieces(sampled(np.zeros(399, np.float32), 16000), Mel())
    with pytest.raises(BadPicture, match="one axis of floats"):
        sampled(np.zeros((2, 400), np.int16), 16000)


def test_distances_become_disparities_and_heat_fractions() -> None:
    metres = np.full((30, 50), 2.0, np.float32)
    wanted = (40 / 2 - 0.0418) / 0.0295
    for source in (metres, npy(metres), png(np.full((30, 50), 2000, np.uint16))):
        np.testing.assert_allclose(shown(Depth(source, stereo=40)), np.full((1, 1, 224, 224), wanted), rtol=1e-4)
    np.testing.assert_allclose(shown(Depth(metres)), (2 - 0.0418) / 0.0295, rtol=1e-4)
    np.testing.assert_allclose(shown(Depth(np.zeros((9, 9), np.float32), stereo=40)), -0.0418 / 0.0295, rtol=1e-4)
    for warm in (png(np.full((9, 9), 51, np.uint8)), png(np.full((9, 9), 13107, np.uint16)), np.full((9, 9), 0.2)):
        np.testing.assert_allclose(shown(Thermal(warm)), 0.2, rtol=1e-5)


def test_the_middle_of_a_wide_plane_is_seen() -> None:
    across = np.tile(np.linspace(0, 1, 448, dtype=np.float32), (224, 1))
    np.testing.assert_allclose(shown(Thermal(across))[0, 0], across[:, 112:-112], atol=1e-6)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Depth(png(np.zeros((4, 4, 3), np.uint8))), "has colours"),
        (Depth(png(np.zeros((64, 64), np.uint16))[:-60]), "cut short|damaged"),
        (Depth(npy(np.zeros((2, 2, 2)))), "rows x columns"),
        (Depth(npy(np.array([[print]], object))), "holds object"),
        (Thermal(npy(np.zeros((4, 4)))[:-3]), "cut short"),
        (Thermal(np.full((4, 4), np.inf)), "not finite"),
        (Thermal(np.full((4, 4), 37.0)), "from 0 to 1"),
        (Thermal(b"GIF89a" + b"\0" * 40), "GIF"),
        (Motion(np.zeros((6, 1999))), "2000 to"),
        (Motion(np.zeros((2000, 6))), "6 channels"),
        (Motion(npy(np.zeros((6, 2000)))[:-1]), "cut short"),
        (Motion(npy(np.array([[print] * 2000] * 6, object))), "object|cut short|bytes is above"),
        (Motion(b"\x93NUMPY\1\0\xff\xff" + b"("), "not a .npy file"),
    ],
)
def test_what_is_no_item_is_refused(item: Depth | Thermal | Motion, said: str) -> None:
    with pytest.raises(BadPicture, match=said) as caught:
        shown(item)
    assert "\n" not in str(caught.value)


def test_a_folder_embeds_what_is_no_picture(tmp_path: Path) -> None:
    """The recorded folder reads the items as its config has them, and a sound is the mean of its pieces."""
    assistant = load_local(str(RECORDED / "imagebind-0"), dtype="float32", device="cpu")
    model = assistant.model
    assert isinstance(model, Bind)
    noise = DRAW.normal(0, 0.1, 70000).astype(np.float32)
    picture = DRAW.integers(0, 255, (40, 40, 3), np.uint8)
    warm, moved = DRAW.random((40, 50)), DRAW.normal(size=(6, 60))
    vectors = assistant.embed([Sound(noise), Depth(warm), Thermal(warm), Motion(moved), picture])
    assert isinstance(vectors, torch.Tensor) and vectors.shape == (5, 20)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(5))
    signal = model.spec.signals[0]
    with torch.inference_mode():
        each = model.embed_signals("audio", torch.from_numpy(given(Sound(noise), signal)))
        turns = model.embed_signals("imu", torch.from_numpy(moved[:, :40].astype(np.float32))[None])
    assert each.shape == (3, 20) and not torch.allclose(each[0], each[1])
    torch.testing.assert_close(vectors[0], F.normalize(each.mean(0), dim=-1))
    torch.testing.assert_close(vectors[3], turns[0])


def test_a_model_of_pictures_says_that_it_hears_nothing() -> None:
    deaf = LocalAssistant("clip", tiny(families()["clip"].model, seed=0), None)
    with pytest.raises(Unsupported, match="clip cannot embed sound"):
        deaf.embed([Sound(np.zeros(16000, np.float32))])
