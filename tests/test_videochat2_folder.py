"""VideoChat2 asked from folders in its published form, with the recorded weights: from frames to logits, and by command."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from invariants.asking import said
from PIL import Image as Pillow
from reference_videos import film
from safetensors.torch import load_file
from test_videos import frames_in
from tiny_tokenizers import NAMED, llama_legacy, llama_metaspace
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from chiasm import Clip, load
from chiasm.assistant import Request
from chiasm.cli import main
from chiasm.connect.qformer import Hint
from chiasm.errors import BadCheckpoint, BadConfig
from chiasm.geometry import Size
from chiasm.local import LocalAssistant
from chiasm.model import Batch, Causal, See
from chiasm.model import Sight as Seen
from chiasm.pixels.patches import patchify_frames
from chiasm.pixels.resize import normalise
from chiasm.place import Box, Grid
from chiasm.prompt.items import Clip as Filmed
from chiasm.prompt.messages import Image, Message, Text, question
from chiasm.prompt.plan import Plan
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.reference.cases import RECORDED
from chiasm.reference.parts import decoder, library
from chiasm.spec import Causal as Writing
from chiasm.spec import Even
from chiasm.weights.keys import published
from chiasm.weights.read import describe, load_model
from chiasm.weights.write import write_json, write_safetensors

SEEING = RECORDED / "videochat2-0"
SHAPE = (9, 41, 61)
ASKED = "How many circles are there?"
PIECES = (
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "how", "many", "circles", "are", "there", "?", "what", "is", "red", "watch", ".",
    "observe", "the", "image", "video", "and", "answer", "question",
)  # fmt: skip
SENTENCES = {"video": "Watch the video and answer the question.", "image": "Observe the image and answer the question."}
"""What the original's demo gives the queries, whatever is asked."""
TEXT = {"hidden_size": 20, "num_attention_heads": 2, "num_key_value_heads": 2, "tie_word_embeddings": False}


def reads() -> Tokenizer:
    """What the queries read text by, BERT's way."""
    made = Tokenizer(WordPiece({piece: number for number, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    made.add_special_tokens(list(PIECES[:4]))
    made.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made


def vicuna(folder: Path, kind: str = "llama", words: Tokenizer | None = None) -> Any:
    """A language model's folder, and the library's model of it."""
    torch.manual_seed(0)
    words = words or llama_legacy()
    text = getattr(library(), {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM"}[kind])(
        decoder(kind, vocab_size=words.get_vocab_size(), **TEXT)
    ).eval()
    for parameter in text.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    folder.mkdir()
    write_json(folder / "config.json", json.loads(text.config.to_json_string()))
    write_safetensors(folder / "model.safetensors", text.state_dict())
    words.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", NAMED)
    return text


def original(folder: Path, beside: Path, kind: str = "llama", more: dict[str, Tensor] | None = None, **fields: Any) -> Path:
    """The recorded weights as the original code's own files lie: its config, what was trained, the queries' tokenizer."""
    small = json.loads((SEEING / "config.json").read_text())
    eye = {name: value for name, value in small["vision_encoder"].items() if name not in ("qkv_bias", "with_ln")}
    asks = {name: value for name, value in small["qformer"].items() if name not in ("query_length", "hidden_size")}
    folder.mkdir()
    write_json(folder / "config.json", {"device": "cpu", "model": {
        "model_cls": "VideoChat2_it" if kind == "llama" else f"VideoChat2_it_{kind}",
        "vit_blip_model_path": "umt_l16_qformer.pth", f"{kind}_model_path": str(beside), "freeze_vit": False,
        "vision_encoder": {**eye, "name": "vit_l14", "d_model": 24, "pretrained": "", "vit_add_ln": True},
        "num_query_token": 5, "extra_num_query_token": 3, "qformer_hidden_size": 32, "qformer_text_input": True,
        "qformer": asks, "start_token": "<Video>", "end_token": "</Video>", "system": "", "use_lora": True, **fields,
    }})  # fmt: skip
    seeing = {name.replace("llama_proj", f"{kind}_proj"): x for name, x in load_file(SEEING / "model.safetensors").items()}
    write_safetensors(folder / "model.safetensors", {**seeing, **(more or {})})
    (folder / "qformer_tokenizer").mkdir()
    reads().save(str(folder / "qformer_tokenizer" / "tokenizer.json"))
    write_json(folder / "qformer_tokenizer" / "tokenizer_config.json", {"unk_token": "[UNK]"})
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Any]:
    text = vicuna(tmp_path / "vicuna")
    return original(tmp_path / "videochat2", tmp_path / "vicuna"), text


def heard_by(assistant: LocalAssistant, batch: Batch) -> Tensor:
    """The logits of a batch."""
    assert isinstance(assistant.model, Causal)
    return said(assistant.model, batch)


def opened(folder: Path) -> LocalAssistant:
    assistant = load(str(folder), dtype="float32", device="cpu")
    assert isinstance(assistant, LocalAssistant)
    return assistant


def spliced(text: Any, ids: np.ndarray, places: np.ndarray, visual_VD: Tensor) -> Tensor:
    rows = torch.from_numpy(np.where(places, 0, ids))[None]
    embeds_BTD = text.get_input_embeddings()(rows).clone()
    embeds_BTD[0, torch.from_numpy(places)] = visual_VD
    logits: Tensor = text(inputs_embeds=embeds_BTD).logits
    return logits


def close(got: Tensor, wanted: Tensor) -> None:
    assert ((got - wanted).abs() / (1 + wanted.abs())).max() < 2e-5


def segments(words: Tokenizer, begins: str, visual: int, ends: str) -> list[int]:
    """Ids as the original makes them: what stands before and after a clip, each by itself."""
    return [*words.encode(begins).ids, *[-1] * visual, *words.encode(ends, add_special_tokens=False).ids]


@torch.inference_mode()
def chosen(kind: str) -> tuple[Tensor, list[int]]:
    """The visual tokens of the recorded half for the frames and the text that the original would give it, by hand."""
    frames = [Pillow.fromarray(film(*SHAPE)[round(8 / 6 * number)]) for number in range(6)]
    if kind == "image":
        frames = [Pillow.fromarray(film(*SHAPE)[0]).resize((28, 28), Pillow.Resampling.BICUBIC)]
    else:
        # The shorter edge to 28, then torchvision's centre: margins of 13, whose half is 6 by its rounding to even.
        frames = [frame.resize((41, 28), Pillow.Resampling.BICUBIC).crop((6, 0, 34, 28)) for frame in frames]
    pixels_TCHW = np.stack([normalise(np.asarray(frame), 1 / 255, CLIP_MEAN, CLIP_STD) for frame in frames])
    half = load_model(describe(SEEING), torch.float32)
    assert isinstance(half, See)
    steps = len(frames)
    grid = Grid(0, steps, 4, 4, Box(0, 0, 28, 28), tuple(map(float, range(steps))) if steps > 1 else ())
    heard = reads().encode(SENTENCES[kind]).ids
    hint = Hint(torch.tensor([heard]), torch.ones(1, len(heard), dtype=torch.bool))
    seen = Seen(torch.from_numpy(patchify_frames(pixels_TCHW, 7, 1)), (grid,), ((28, 28),))
    return half(seen, hint)[1].tokens_VD, heard


@pytest.mark.parametrize("kind", ["video", "image"])
@torch.inference_mode()
def test_ids_and_logits_are_those_of_its_parts_joined_by_hand(kind: str, folders: tuple[Path, Any], tmp_path: Path) -> None:
    folder, text = folders
    assistant, shown = opened(folder), frames_in(tmp_path / "clip", SHAPE)
    source: Any = Clip(shown) if kind == "video" else shown / "0.png"
    plan = assistant.plan([Request((question(ASKED, [source]),), max_tokens=2)])
    visual_VD, heard = chosen(kind)
    mark = kind.title()
    ids = plan.rows[0].ids_T
    wanted = segments(
        llama_legacy(), f"###Human: <{mark}>", 8, f"</{mark}>\n###Human: {ASKED}\n###Assistant:"
    )  # fmt: skip
    places = np.asarray(wanted) < 0
    assert ids[~places].tolist() == [number for number in wanted if number >= 0] and len(set(ids[places])) == 1
    assert plan.rows[0].hint_T is not None and plan.rows[0].hint_T.tolist() == heard
    batch = plan.batch(assistant.door.patches([assistant.door.opened(source)], plan.items))
    got = heard_by(assistant, batch)
    close(got, spliced(text, ids, places, visual_VD))


@torch.inference_mode()
def test_recorded_clips_give_the_recorded_tokens_and_logits(folders: tuple[Path, Any]) -> None:
    """The recorded pixels and text through the whole model of a published folder."""
    folder, text = folders
    given, wanted = (load_file(SEEING / f"{name}.safetensors") for name in ("inputs", "expected"))
    model = opened(folder).model
    assert isinstance(model, Causal)
    video = model.spec.sight.fusion.video  # type: ignore[union-attr]
    assert isinstance(video, int)
    for row, kind in ((0, "video"), (1, "video"), (0, "image")):
        steps = given[kind].shape[1]
        grid = Grid(0, steps, 4, 4, Box(0, 0, 28, 28), tuple(map(float, range(steps))) if steps > 1 else ())
        heard = given["input_ids"][row][given["attention_mask"][row].bool()].tolist()
        row_T = [1, 40, *[video] * 8, 41, 42]
        ids = np.asarray(row_T)
        batch = Plan.from_ids(model.spec, [row_T], [Filmed(grid)], hints=[heard]).batch(patchify_frames(given[kind][row], 7, 1))
        assert isinstance(batch.sight, Seen)
        seen = model.see(batch.sight, batch.hint)
        close(seen.tokens_VD, wanted[f"{kind}_llm"][row])
        close(model.logits(model.read(batch, seen)), spliced(text, ids, ids == video, wanted[f"{kind}_llm"][row]))


@torch.inference_mode()
def test_the_edition_of_mistral_is_read_with_its_adapters(tmp_path: Path) -> None:
    """In PEFT's names, around attention, MLP and head; they count alpha / rank times."""
    text = vicuna(tmp_path / "text", "mistral")
    inside, more = "mistral_model.base_model.model.", dict[str, Tensor]()
    layers: dict[str, Any] = dict(text.named_modules())
    for name in ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj", "lm_head"):
        out, into = layers[name].weight.shape
        a, b = torch.randn(2, into) / 4, torch.randn(out, 2) / 4
        more |= {f"{inside}{name}.lora_A.default.weight": a, f"{inside}{name}.lora_B.default.weight": b}
        layers[name].weight += 8 / 2 * b @ a
    folder = original(tmp_path / "folder", tmp_path / "text", "mistral", more, lora_r=2, lora_alpha=8)
    assistant, shown = opened(folder), frames_in(tmp_path / "clip", SHAPE)
    plan = assistant.plan([Request((question(ASKED, [Clip(shown)]),), max_tokens=2)])
    wanted = segments(llama_legacy(), "[INST] <Video>", 8, f"</Video> [/INST] [INST] {ASKED} [/INST]")
    places, ids = np.asarray(wanted) < 0, plan.rows[0].ids_T
    assert ids[~places].tolist() == [number for number in wanted if number >= 0]
    batch = plan.batch(assistant.door.patches([assistant.door.opened(Clip(shown))], plan.items))
    got = heard_by(assistant, batch)
    close(got, spliced(text, ids, places, chosen("video")[0]))
    with pytest.raises(BadCheckpoint, match="has the rank 2, and config"):
        load(str(original(tmp_path / "unsaid", tmp_path / "text", "mistral", more)), dtype="float32")


@pytest.mark.parametrize("edition", ["llama", "mistral"])
@pytest.mark.parametrize("make", [llama_legacy, llama_metaspace])
def test_what_stands_around_a_picture_is_read_piece_by_piece(
    edition: str, make: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    """Whether a tokenizer's file puts a space before each piece of text or before the first alone."""
    vicuna(tmp_path / "text", edition, make())
    planner = opened(original(tmp_path / "folder", tmp_path / "text", edition)).planner
    assert planner is not None
    talk = (
        Message("user", (Image(0), Text("What?"))),
        Message("assistant", (Text("a man"),)),
        Message("user", (Text("Who?"),)),
    )
    (row,) = planner.plan([talk], [Size(28, 28)]).rows
    begins, ends = {
        "llama": ("###Human: <Image>", "</Image>\n###Human: What?\n###Assistant: a man###Human: Who?\n###Assistant:"),
        "mistral": ("[INST] <Image>", "</Image> [/INST] [INST] What? [/INST] a man</s> [INST] Who? [/INST]"),
    }[edition]
    wanted = segments(make(), begins, 8, ends)
    assert row.ids_T[np.asarray(wanted) >= 0].tolist() == [number for number in wanted if number >= 0]


def test_a_config_of_many_frames_shows_as_many_as_the_demo(tmp_path: Path) -> None:
    """The field that the published file has beside `model` says nothing of the model."""
    vicuna(tmp_path / "text")
    folder = original(tmp_path / "folder", tmp_path / "text")
    config = json.loads((folder / "config.json").read_text())
    config["model"]["vision_encoder"]["num_frames"] = 32
    write_json(folder / "config.json", config | {"merged_language_model_path": "/somewhere"})
    model = describe(folder).model
    assert isinstance(model, Writing) and model.sight is not None and model.sight.clips is not None
    assert model.sight.clips.take == Even(8, "halves")


def test_queries_read_the_demos_sentence_or_the_systems_words_and_the_first_question(folders: tuple[Path, Any]) -> None:
    picture = Size(28, 28)
    talk = (
        Message("system", (Text("Watch."),)),
        Message("user", (Image(0), Text("What is red?"))),
        Message("assistant", (Text("many circles"),)),
        Message("user", (Text("How many circles are there?"),)),
    )
    planner = opened(folders[0]).planner
    assert planner is not None
    (row,) = planner.plan([talk], [picture]).rows
    assert row.hint_T is not None and row.hint_T.tolist() == reads().encode("Watch. What is red?").ids
    for unsaid in (talk[1:], (Message("system", (Text(""),)), *talk[1:])):
        (row,) = planner.plan([unsaid], [picture]).rows
        assert row.hint_T is not None and row.hint_T.tolist() == reads().encode(SENTENCES["image"]).ids
    typed = (Message("system", (Text("Watch"),)), Message("user", (Image(0), Text("What is [SEP] red?"))))
    (row,) = planner.plan([typed], [picture]).rows
    assert row.hint_T is not None and row.hint_T.tolist().count(3) == 1


def test_an_answer_ends_where_the_next_turn_would_begin(folders: tuple[Path, Any], tmp_path: Path) -> None:
    planner = opened(folders[0]).planner
    assert planner is not None and planner.stops == ("###",)


def test_a_model_is_written_back_as_the_original_names_it(folders: tuple[Path, Any]) -> None:
    """All that the folder's own file holds, tensor by tensor."""
    described = describe(folders[0])
    model = load_model(described, torch.float32)
    seeing = {n: p for n, p in model.named_parameters() if not n.startswith(("language.", "head."))}
    written, held = published(seeing, described.keys), load_file(folders[0] / "model.safetensors")
    assert all(torch.equal(written[name], held[name]) for name in written)
    assert {name for name in held if name not in written} <= {n for n in held if "position_ids" in n}


def test_the_command_answers_and_plans_clips(
    folders: tuple[Path, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, clip = str(folders[0]), str(frames_in(tmp_path / "clip", SHAPE))
    assert main(["ask", clip, ASKED, "--model", folder, "--max-tokens", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["usage"]["image_tokens"] == 8 and said["usage"]["generated_tokens"] <= 3
    assert main(["plan", "--clip", clip, "--model", folder, "--text", ASKED, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["pictures"][0]["frames"] == 6 and planned["pictures"][0]["visual_tokens"] == 8
    assert said["usage"]["text_tokens"] == planned["tokens"]["text"] and planned["tokens"]["marks"] == 0


def test_plan_says_that_a_short_clip_shows_frames_more_than_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--clip", "3x64x48@24fps", "--model", "videochat2"]) == 0
    assert "8 of 3 frames, some more than once, 0.125 s; 12 visual tokens a frame" in capsys.readouterr().out


def test_its_pickled_stages_are_converted_into_such_a_folder(folders: tuple[Path, Any], tmp_path: Path) -> None:
    """The first stage with an eye that a later one has trained on, and what else there is."""
    tensors = load_file(folders[0] / "model.safetensors")
    eye = {name: torch.zeros_like(x) for name, x in tensors.items() if name.startswith("vision_encoder.")}
    torch.save(eye, tmp_path / "umt.pth")
    torch.save({"model": tensors}, tmp_path / "stage3.pth")
    made = tmp_path / "made"
    assert main(["convert", *(str(tmp_path / name) for name in ("umt.pth", "stage3.pth", "made"))]) == 0
    shutil.copy(folders[0] / "config.json", made)
    shutil.copytree(folders[0] / "qformer_tokenizer", made / "qformer_tokenizer")
    clip = Clip(frames_in(tmp_path / "clip", SHAPE))
    assert opened(made).ask(ASKED, clip, max_tokens=4).text == opened(folders[0]).ask(ASKED, clip, max_tokens=4).text


def test_folders_that_lack_a_half_say_which(
    folders: tuple[Path, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = str(frames_in(tmp_path / "clip", SHAPE))
    lone = original(tmp_path / "lone", tmp_path / "nowhere")
    assert main(["ask", clip, ASKED, "--model", str(lone)]) == 2
    assert 'write the folder of vicuna-7b-v0 into its field "base"' in capsys.readouterr().err
    untold = original(tmp_path / "untold", tmp_path / "vicuna")
    (untold / "qformer_tokenizer" / "tokenizer.json").unlink()
    assert main(["ask", clip, ASKED, "--model", str(untold)]) == 2
    assert "qformer_tokenizer" in capsys.readouterr().err
    with pytest.raises(BadConfig, match="VideoChat2_it_hd_mistral"):
        describe(original(tmp_path / "tiles", tmp_path / "vicuna", model_cls="VideoChat2_it_hd_mistral"))
    with pytest.raises(BadConfig, match="start_token"):
        describe(original(tmp_path / "marks", tmp_path / "vicuna", start_token="<Clip>"))
    with pytest.raises(BadConfig, match="lacks the field 'model_type'"):
        describe(original(tmp_path / "seeing", SEEING))
    (tmp_path / "bert").mkdir()
    write_json(tmp_path / "bert" / "config.json", {"model_type": "bert"})
    with pytest.raises(BadConfig, match="no causal language model"):
        describe(original(tmp_path / "encoder", tmp_path / "bert"))
