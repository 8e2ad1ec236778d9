"""From samples to pictures of pitch over time, as Kaldi makes them and ImageBind was shown them."""

from __future__ import annotations

from math import ceil, gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.pixels.sound import Wave
from chiasm.spec import Mel

_LOWEST = 20.0
_BLOCK = 1 << 14
_ZEROS, _ROLLOFF = 6, 0.99


def pieces(sound: Wave, mel: Mel) -> NDArray[np.float32]:
    """Evenly spread pieces of a sound, the first at its beginning and the last at its end, [clips, 1, bins, frames]; one that
    is shorter than a piece is shown whole each time. Raises `BadPicture` for less than one window."""
    samples_T = resampled(sound.samples_T, sound.rate, mel.rate)
    if len(samples_T) < mel.rate // 40:
        raise BadPicture(f"{sound.name} lasts {len(sound.samples_T):,} samples; at least 25 ms are needed: give more of it")
    long = mel.seconds * mel.rate
    over, gaps = max(len(samples_T) - long, 0), max(mel.clips - 1, 1)
    starts = [over * number // gaps for number in range(mel.clips)]
    return np.stack([_shown(samples_T[start : start + long], mel)[None] for start in starts])


def _shown(samples_T: NDArray[np.float32], mel: Mel) -> NDArray[np.float32]:
    """One piece, cut or filled up with zeros to its frames before it is scaled."""
    energies = spectrogram(samples_T, mel.bins, mel.rate)[:, : mel.frames]
    filled = np.pad(energies, ((0, 0), (0, mel.frames - energies.shape[1])))
    return (filled - np.float32(mel.mean)) / np.float32(mel.std)


def spectrogram(samples_T: NDArray[np.float32], bins: int, rate: int) -> NDArray[np.float32]:
    """Logarithms of the energy in `bins` bands of windows of 25 ms, 10 ms apart, [bins, frames]: each window less its mean,
    each sample less 0.97 of the one before, under a Hann window."""
    size, step = rate // 40, rate // 100
    fft = 1 << (size - 1).bit_length()
    windows = sliding_window_view(samples_T, size)[::step].astype(np.float64)
    windows = windows - windows.mean(1, keepdims=True)
    windows = windows - 0.97 * np.concatenate([windows[:, :1], windows[:, :-1]], 1)
    power = np.abs(np.fft.rfft(windows * np.hanning(size), fft)) ** 2
    energies = power @ bands(bins, fft, rate).T
    return np.ascontiguousarray(np.log(np.maximum(energies, np.finfo(np.float32).eps)).T, np.float32)


def bands(bins: int, fft: int, rate: int) -> NDArray[np.float64]:
    """Triangles over frequencies, evenly wide in mel from 20 Hz to half the rate, [bins, fft / 2 + 1]."""
    edges = np.linspace(_mel(np.array(_LOWEST)), _mel(np.array(rate / 2)), bins + 2)[:, None]
    at = _mel(np.arange(fft // 2 + 1) * rate / fft)
    up, down = (at - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(up, down), 0)


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127 * np.log1p(hertz / 700))


def resampled(samples_T: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """The same sound at another rate, by sines under a Hann window of six zeros to each side; a hundredth below the highest
    pitch that both rates carry is cut off."""
    if rate == to:
        return samples_T
    old, new = rate // gcd(rate, to), to // gcd(rate, to)
    cut = min(old, new) * _ROLLOFF
    reach = ceil(_ZEROS * old / cut)
    away = np.clip((np.arange(-reach, reach + old) / old - np.arange(new)[:, None] / new) * cut, -_ZEROS, _ZEROS)
    kernel = (np.sinc(away) * np.cos(away * np.pi / _ZEROS / 2) ** 2 * cut / old).astype(np.float32)
    padded = np.pad(samples_T, (reach, reach + old))
    windows = sliding_window_view(padded, 2 * reach + old)[::old]
    made = [windows[start : start + _BLOCK] @ kernel.T for start in range(0, len(windows), _BLOCK)]
    return np.concatenate(made).reshape(-1)[: ceil(len(samples_T) * new / old)]
