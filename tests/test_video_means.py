"""Clips whose features are averaged, from frames to logits: PLLaVA and Video-ChatGPT against their parts, joined by hand."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import Reference
from invariants.asking import said
from PIL import Image
from reference_videos import film
from test_videos import frames_in
from tiny_words import words_only
from torch import Tensor

from chiasm import Clip, load
from chiasm.assistant import Request
from chiasm.local import LocalAssistant
from chiasm.model import Causal
from chiasm.pixels.resize import normalise
from chiasm.prompt.messages import question
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.reference.case import BOS, IMAGE
from chiasm.reference.parts import clip_processor, clip_tower, decoder, library, processed
from chiasm.weights.write import write_json, write_safetensors

SHAPE = (9, 41, 60)


def asked(folder: Path, clip: Clip) -> tuple[np.ndarray, Tensor]:
    """The ids of a question about a clip, and its logits."""
    assistant = load(str(folder), dtype="float32", device="cpu")
    assert isinstance(assistant, LocalAssistant) and isinstance(assistant.model, Causal)
    plan = assistant.plan([Request((question("What happens here ?", [clip]),), max_tokens=2)])
    with torch.inference_mode():
        batch = plan.batch(assistant.door.patches([assistant.door.opened(clip)], plan.items))
        got = said(assistant.model, batch)
    return plan.rows[0].ids_T, got


def spliced(ids: np.ndarray, placeholder: int, text: Any, visual_VD: Tensor) -> Tensor:
    rows = torch.from_numpy(ids)[None]
    embeds_BTD = text.get_input_embeddings()(rows.clamp(max=98)).clone()
    embeds_BTD[rows == placeholder] = visual_VD
    return text(inputs_embeds=embeds_BTD).logits


def close(got: Tensor, wanted: Tensor) -> None:
    assert ((got - wanted).abs() / (1 + wanted.abs())).max() < 2e-5


@torch.inference_mode()
def test_pllava_from_frames(reference: Reference, tmp_path: Path) -> None:
    """Its projector's tokens pooled to 3 x 3 x 3 by torch's own adaptive pooling, 6 of 9 frames, each resized twice."""
    folder = tmp_path / "pllava"
    shutil.copytree(reference("llava", 0), folder)
    config = json.loads((folder / "config.json").read_text())
    pooled = {"use_pooling": True, "pooling_method": "avg", "num_frames": 6, "pooling_shape": [3, 3, 3], "frame_shape": [5, 5]}
    write_json(folder / "config.json", config | pooled | {"model_type": "pllava"})
    words_only(folder, {"<s>": BOS, "<image>": IMAGE})
    large = (9, 500, 730)
    ids, got = asked(folder, Clip(frames_in(tmp_path / "clip", large)))
    assert (ids == IMAGE).sum() == 27
    model = library().LlavaForConditionalGeneration.from_pretrained(reference("llava", 0), attn_implementation="eager").eval()
    # Half of 8 / 6 frames later than each part's beginning, in whole frames.
    chosen = [Image.fromarray(film(*large)[0 + round(8 / 6 * number)]) for number in range(6)]
    # 640 / 1.46 is 438 and a part.
    halfway = [np.asarray(frame.resize((639, 438), Image.Resampling.BICUBIC)) for frame in chosen]
    pixels = processed(clip_processor(30), halfway, "pixel_values")["pixel_values"]
    features = torch.stack(list(model.get_image_features(pixels).pooler_output))
    cells = features.unflatten(1, (5, 5)).permute(3, 0, 1, 2)
    visual_VD = torch.nn.functional.adaptive_avg_pool3d(cells[None], (3, 3, 3))[0].permute(1, 2, 3, 0).flatten(0, 2)
    rows = torch.from_numpy(ids)[None]
    embeds_BTD = model.get_input_embeddings()(rows).clone()
    embeds_BTD[rows == IMAGE] = visual_VD
    close(got, model(inputs_embeds=embeds_BTD).logits)


@torch.inference_mode()
def test_video_chatgpt_from_frames(tmp_path: Path) -> None:
    """Means over each frame, zeros for those that the clip lacks, means over each cell, all as halves, one linear layer."""
    torch.manual_seed(0)
    patch, begins, ends = 96, 97, 98
    vision = library().CLIPVisionModel(clip_tower()).eval()
    text = library().LlamaForCausalLM(decoder("llama", tie_word_embeddings=False)).eval()
    projector = torch.nn.Linear(24, 32)
    folder = tmp_path / "folder"
    folder.mkdir()
    llama = json.loads(text.config.to_json_string())
    write_json(folder / "config.json", llama | {
        "model_type": "VideoChatGPT", "use_mm_proj": True, "mm_hidden_size": 24, "vid_patch_token": patch,
        "vid_start_token": begins, "vid_end_token": ends, "use_vid_start_end": True, "num_temporal_tokens": 12,
        "vision_config": json.loads(vision.config.to_json_string()),
    })  # fmt: skip
    inside = "model.vision_tower.vision_model."
    tower = {inside + name.removeprefix("vision_model."): value for name, value in vision.state_dict().items()}
    heads = {f"model.mm_projector.{name}": value for name, value in projector.state_dict().items()}
    write_safetensors(folder / "model.safetensors", {**text.state_dict(), **heads, **tower})
    words_only(folder, {"<s>": BOS, "<vid_patch>": patch, "<vid_start>": begins, "<vid_end>": ends})
    ids, got = asked(folder, Clip(frames_in(tmp_path / "clip", SHAPE)))
    assert (ids == patch).sum() == 12 + 25
    whole_TCHW = torch.from_numpy(film(*SHAPE)).permute(0, 3, 1, 2).float()
    seen = torch.nn.functional.interpolate(whole_TCHW, size=(30, 30)).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    pixels = torch.from_numpy(np.stack([normalise(f, 1 / 255, CLIP_MEAN, CLIP_STD) for f in seen]))
    # Nine frames, their middles of nine parts of eight: the last but one twice over its edge.
    edges = [round(8 / 9 * number) for number in range(10)]
    order = [(edges[number] + edges[number + 1]) // 2 for number in range(9)]
    cells_TPE = vision(pixels[order], output_hidden_states=True).hidden_states[-2][:, 1:]
    means = torch.cat([cells_TPE.mean(1), torch.zeros(3, 24), cells_TPE.mean(0)]).half().float()
    close(got, spliced(ids, patch, text, projector(means)))
