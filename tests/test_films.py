"""Clips: the door, which frames are taken and when they were, and a question about one answered as the reference answers it."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_folder import tiny_folder
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import VideoLlavaConfig, VideoLlavaForConditionalGeneration, VideoLlavaImageProcessor

from chiasm import Clip, load
from chiasm.assistant import Request
from chiasm.errors import BadPicture, BadPrompt, Unsupported
from chiasm.local import LocalAssistant
from chiasm.pixels.clips import open_clip, shown
from chiasm.pixels.open import Limits
from chiasm.pixels.reel import ClipLimits
from chiasm.prompt.messages import question, read_messages
from chiasm.reference.case import BOS, IMAGE, VIDEO
from chiasm.reference.parts import clip_tower, decoder
from chiasm.spec import Even, PerSecond
from chiasm.towers.llava_chats import VICUNA_CLIPS
from chiasm.weights.write import write_json, write_text

COLOURS = [(20 * number, 255 - 20 * number, 90) for number in range(10)]


def frames(size: tuple[int, int] = (24, 20)) -> list[Image.Image]:
    """A square that moves over a plain ground, no two frames alike."""
    drawn = []
    for number, colour in enumerate(COLOURS):
        frame = Image.new("RGB", size, colour)
        frame.paste((255, 255, 255), (2 * number, 3, 2 * number + 3, 9))
        drawn.append(frame)
    return drawn


def moving(format: str, drawn: list[Image.Image], **how: object) -> bytes:
    out = io.BytesIO()
    drawn[0].save(out, format, save_all=True, append_images=drawn[1:], **how)
    return out.getvalue()


def folder_of(folder: Path, drawn: list[Image.Image]) -> Path:
    folder.mkdir()
    for number, frame in enumerate(drawn):
        frame.save(folder / f"frame{number}.png")
    (folder / "notes.txt").write_text("no frame")
    return folder


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    drawn = [*frames(), *frames()[:2]]
    film = open_clip(Clip(folder_of(tmp_path / "clip", drawn), Even(12), rate=4))
    assert film.times == tuple(number / 4 for number in range(12))
    for got, wanted in zip(film.frames, drawn, strict=True):
        np.testing.assert_array_equal(got, np.asarray(wanted))


def test_frames_are_taken_by_number_and_by_seconds(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clip", frames())
    drawn = [np.asarray(frame) for frame in frames()]
    for take, times, numbers in (
        (Even(4), (0.0, 1.25, 2.5, 3.75), (0, 2, 5, 7)),
        (PerSecond(0.8), (0.0, 1.25, 2.5, 3.75), (0, 2, 5, 7)),
        (PerSecond(1, group=2), (0.0, 1.25, 2.5, 3.75), (0, 2, 5, 7)),
        (PerSecond(30), tuple(number / 2 for number in range(10)), range(10)),
        (Even(5, "middles"), (0.5, 1.5, 2.0, 3.0, 4.0), (1, 3, 4, 6, 8)),
        (Even(5, "halves"), (0.0, 1.0, 2.0, 2.5, 3.5), (0, 2, 4, 5, 7)),
    ):
        film = open_clip(Clip(folder, take, rate=2))
        assert film.times == times, take
        for got, number in zip(film.frames, numbers, strict=True):
            np.testing.assert_array_equal(got, drawn[number], str(take))
    assert len(open_clip(Clip(folder, Even(64))).frames) == 10


@pytest.mark.parametrize("number", [1, 3, 5, 7, 10])
def test_frames_of_a_short_clip_are_shown_more_than_once(number: int, tmp_path: Path) -> None:
    """As many as wanted, by the rule of VideoChat2's and PLLaVA's code: halves of a part, to even."""
    drawn = [np.asarray(frame) for frame in frames()[:number]]
    part = float(number - 1) / 8
    numbers = int(part / 2) + np.round(part * np.arange(8)).astype(int)
    for clip in (
        folder_of(tmp_path / "clip", frames()[:number]),
        moving("WebP", frames()[:number], duration=200, lossless=True),
    ):
        film = open_clip(Clip(clip, Even(8, "halves")))
        assert len(film.frames) == len(film.times) == 8 and list(film.times) == sorted(film.times)
        for got, wanted in zip(film.frames, numbers, strict=True):
            np.testing.assert_array_equal(got, drawn[wanted])


def test_a_number_of_frames_is_taken_where_the_model_takes_its_own(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clip", frames())
    for rule in (Even(8, "halves"), Even(100, "middles"), Even(8, "starts"), Even(8)):
        assert shown(Clip(folder, Even(5)), rule).numbers == shown(Clip(folder), Even(5, rule.at)).numbers
        assert shown(Clip(folder, Even(5, "middles")), rule).numbers == shown(Clip(folder), Even(5, "middles")).numbers
    assert shown(Clip(folder, Even(5)), PerSecond(1)).numbers == shown(Clip(folder), Even(5)).numbers


@pytest.mark.parametrize("format", ["GIF", "WebP"])
def test_animations_have_the_times_that_they_say(format: str) -> None:
    how = {"lossless": True} if format == "WebP" else {}
    film = open_clip(Clip(moving(format, frames(), duration=200, **how), Even(5)))
    assert film.times == pytest.approx((0, 0.4, 0.8, 1.2, 1.6))
    for got, wanted in zip(film.frames, frames()[::2], strict=True):
        assert np.abs(got.astype(int) - np.asarray(wanted)).max() <= (12 if format == "GIF" else 0)


def grown() -> bytes:
    """A GIF whose second frame is far larger than its canvas."""
    data = bytearray(moving("GIF", frames()[:2], duration=100))
    second = data.rindex(b"\x2c")
    data[second + 5 : second + 9] = b"\xff\xff\xff\xff"
    return bytes(data)


@pytest.mark.parametrize(
    ("source", "limits", "said"),
    [
        (moving("GIF", frames()), ClipLimits(frames=9), "more than 9 frames"),
        (moving("GIF", frames()), ClipLimits(pixels=3 * 24 * 20), "more than 3 frames of 24 x 20"),
        (moving("GIF", frames()), ClipLimits(picture=Limits(pixels=400)), "above the limit of 400"),
        (moving("GIF", frames()), ClipLimits(taken=4), "4 at most are shown"),
        (moving("GIF", frames())[:-9], ClipLimits(), "cut short|damaged"),
        (moving("WebP", frames())[:300], ClipLimits(), "cut short|damaged"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 90, ClipLimits(), "shows no frame: damaged"),
        (moving("PNG", frames()), ClipLimits(), "videos, folders of frames, GIF and WebP"),
    ],
)
def test_what_is_no_clip_is_refused(source: bytes, limits: ClipLimits, said: str) -> None:
    with pytest.raises(BadPicture, match=said) as caught:
        open_clip(Clip(source), limits=limits)
    assert "\n" not in str(caught.value)


def test_a_frame_that_outgrows_its_canvas_is_not_decoded() -> None:
    with pytest.raises(BadPicture, match=r"more than|damaged"):
        open_clip(Clip(grown()))


def test_mistakes_with_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadPicture, match="holds no frames"):
        open_clip(Clip(tmp_path / "empty"))
    mixed = folder_of(tmp_path / "mixed", [*frames()[:2], *frames((9, 9))[:1]])
    with pytest.raises(BadPicture, match="one size"):
        open_clip(Clip(mixed))
    with pytest.raises(BadPicture, match="more than 2 frames"):
        open_clip(Clip(mixed), limits=ClipLimits(frames=2))
    for take in (Even(0), PerSecond(0.0)):
        with pytest.raises(BadPicture, match="takes no frame"):
            open_clip(Clip(mixed, take))


def video_folder(folder: Path) -> Path:
    """Video-LLaVA, tiny, with words for a tokenizer."""
    torch.manual_seed(0)
    config = VideoLlavaConfig(
        vision_config=clip_tower(image_size=18).to_dict(), text_config=decoder("llama").to_dict(), image_token_index=IMAGE,
        video_token_index=VIDEO, image_seq_length=9, video_seq_length=80, tie_word_embeddings=False,
    )  # fmt: skip
    model = VideoLlavaForConditionalGeneration(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    words = ("USER", "ASSISTANT", ":", "What", "happens", "here", "?", "and", "there")
    taken = {"<s>": BOS, "<image>": IMAGE, "<video>": VIDEO}
    free = [number for number in range(100) if number not in taken.values()]
    ids = {**taken, **dict(zip(("<unk>", *words), free, strict=False))}
    backend = Backend(WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    backend.add_special_tokens(list(taken))
    write_text(folder / "tokenizer.json", backend.to_str())
    write_json(folder / "tokenizer_config.json", {"bos_token": "<s>", "unk_token": "<unk>"})
    look = {"size": {"shortest_edge": 18}, "crop_size": {"height": 18, "width": 18}}
    write_json(folder / "preprocessor_config.json", look)
    # Its vocabulary is none that was published, so that no template goes without saying.
    write_text(folder / "chat_template.jinja", VICUNA_CLIPS)
    return folder


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a picture"])
def test_a_clip_is_asked_about_as_the_reference_is(tmp_path: Path, beside: bool) -> None:
    folder = video_folder(tmp_path / "video")
    assistant = load(str(folder), dtype="float32")
    reference = VideoLlavaForConditionalGeneration.from_pretrained(folder, attn_implementation="eager").eval()
    process = VideoLlavaImageProcessor(size={"shortest_edge": 18}, crop_size={"height": 18, "width": 18})
    drawn, picture = frames(), frames((40, 31))[3]
    clip = Clip(folder_of(tmp_path / "clip", drawn), Even(8))
    # The template writes pictures before clips, whatever was said first.
    shown = [clip, np.asarray(picture)] if beside else [clip]
    request = Request((question("What happens here ?", shown),), max_tokens=6)
    ids = assistant.plan([request]).rows[0].ids_T
    assert (ids == VIDEO).sum() == 8 * 10 and (ids == IMAGE).sum() == (9 if beside else 0)
    if beside:
        assert np.flatnonzero(ids == IMAGE).max() < np.flatnonzero(ids == VIDEO).min()
    kept = [drawn[number * 10 // 8] for number in range(8)]
    seen = {"pixel_values_videos": torch.from_numpy(np.stack([_processed(process, one) for one in kept]))[None]}
    if beside:
        seen["pixel_values_images"] = torch.from_numpy(_processed(process, picture))[None]
    rows = torch.from_numpy(ids)[None]
    wanted = reference.generate(input_ids=rows, **seen, max_new_tokens=6, do_sample=False)[0, len(ids) :].tolist()
    answer = assistant.ask("What happens here ?", *shown, max_tokens=6)
    assert isinstance(assistant, LocalAssistant) and assistant.tokenizer is not None
    assert answer.usage.image_tokens == 80 + (9 if beside else 0)
    assert answer.text.strip() == assistant.tokenizer.decode(wanted).strip()


def _processed(process: VideoLlavaImageProcessor, picture: Image.Image) -> np.ndarray:
    done = process(images=picture, return_tensors="np")
    (values,) = (value for key, value in done.items() if key.startswith("pixel_values"))
    return np.asarray(values, np.float32).reshape(3, 18, 18)


def test_messages_may_hold_clips() -> None:
    said = [{"role": "user", "content": [{"type": "video", "video": "a.gif"}, {"type": "text", "text": "What?"}]}]
    (message,) = read_messages(said)
    assert isinstance(message.pictures[0], Clip) and message.pictures[0].source == "a.gif"
    with pytest.raises(BadPrompt, match="without a clip"):
        read_messages([{"role": "user", "content": [{"type": "video"}]}])


def test_a_model_of_still_pictures_says_that_it_reads_no_clips(tmp_path: Path) -> None:
    assistant = load(str(tiny_folder(tmp_path / "tiny")), dtype="float32")
    with pytest.raises(Unsupported, match="cannot read clips"):
        assistant.ask("What happens?", Clip(moving("GIF", frames())))
