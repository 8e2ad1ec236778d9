"""Donut: sheets as its processor draws them, pictures that are turned, tasks by the words of the vocabulary."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from shrink import tiny
from sizes import FEW
from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from chiasm.errors import BadConfig, BadPicture, BadPrompt
from chiasm.geometry import Size, views
from chiasm.local import LocalAssistant
from chiasm.model import Seq2Seq, prepare
from chiasm.pixels.patches import unpatchify
from chiasm.pixels.views import look
from chiasm.place import WHOLE, encoded
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.planner import Planner
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.reference.parts import processed, processor
from chiasm.registry import families
from chiasm.spec import Seq2Seq as Seq2SeqSpec
from chiasm.spec import Sheet, Sight, Swin
from chiasm.weights.read import describe
from chiasm.weights.write import write_json, write_text


def sight(height: int, width: int, turn: str) -> Sight:
    model = families()["donut"].model
    assert isinstance(model, Seq2SeqSpec) and model.sight is not None
    eye = model.sight.encoder
    assert isinstance(eye, Swin)
    return Sight(Sheet(height, width, turn), model.sight.pixels, eye, (), model.sight.fusion)  # type: ignore[arg-type]


# --- sheets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", ["never", "to_fit"])
@pytest.mark.parametrize(("height", "width"), [(96, 64), (64, 96), (64, 64)])
def test_sheets_are_the_processors(height: int, width: int, turn: str) -> None:
    by = processor("donut", "Donut", size={"height": height, "width": width}, do_align_long_axis=turn == "to_fit")
    draw, looks = np.random.default_rng(0), sight(height, width, turn)
    for wide, high in FEW:
        picture = draw.integers(0, 256, (high, wide, 3), np.uint8)
        wanted = processed(by, [picture], "pixel_values")["pixel_values"][0]
        ((_, patches),) = look(looks, picture, 0)
        assert torch.equal(unpatchify(torch.from_numpy(patches), 4, height, width), wanted), (wide, high)
    thread = np.zeros((1, 1000, 3), np.uint8)
    with pytest.raises(ValueError, match=r"(height|width)=0"):
        processed(by, [thread], "pixel_values")
    with pytest.raises(BadPicture, match="1000 x 1 pixels is too thin"):
        look(looks, thread, 0)


def test_a_turned_pictures_cells_lie_where_they_look() -> None:
    """A lying picture on a standing sheet: what is painted into a cell's box shows in that cell and hardly elsewhere."""
    looks = sight(96, 64, "to_fit")
    ((view, dark),) = look(looks, np.zeros((180, 250, 3), np.uint8), 0)
    assert view.grid.turn == "clockwise" and (view.grid.h, view.grid.w) == (24, 16)
    whole = view.grid.cell(WHOLE, WHOLE)
    assert whole == view.grid.box and whole.x0 <= 0.5 and whole.x1 >= 249.5
    for y, x in ((2, 3), (2, 12), (20, 3), (20, 12), (11, 8)):
        box = view.grid.cell(y, x)
        canvas = np.zeros((180, 250, 3), np.uint8)
        canvas[round(box.y0 + 1) : round(box.y1 - 1), round(box.x0 + 1) : round(box.x1 - 1)] = 255
        ((_, patches),) = look(looks, canvas, 0)
        bright = (patches - dark).mean(1).reshape(24, 16)
        assert np.unravel_index(bright.argmax(), bright.shape) == (y, x)


@pytest.mark.parametrize(("size", "shape"), [((250, 180), (3, 2)), ((180, 250), (3, 2))])
def test_what_leaves_the_eye_covers_the_sheet(size: tuple[int, int], shape: tuple[int, int]) -> None:
    looks = sight(96, 64, "to_fit")
    (view,) = views(looks.views, looks.pixels, looks.encoder, Size(*size), 0)
    laid = encoded(looks.encoder, [view.grid])
    assert (laid.grids[0].h, laid.grids[0].w) == shape and len(laid) == 6
    assert laid.grids[0].box == view.grid.box


def test_cells_that_do_not_fill_a_map_reach_beyond_the_sheet() -> None:
    for turned in (False, True):
        looks = sight(96, 72, "to_fit")
        size = Size(250, 180) if turned else Size(180, 250)
        (view,) = views(looks.views, looks.pixels, looks.encoder, size, 0)
        grid = encoded(looks.encoder, [view.grid]).grids[0]
        assert (grid.h, grid.w) == (3, 3)
        one, other = grid.cell(0, 0), view.grid.cell(0, 0)
        corner = ("x0", "y1") if turned else ("x0", "y0")
        assert all(getattr(one, edge) == pytest.approx(getattr(other, edge)) for edge in corner)
        assert one.x1 - one.x0 == pytest.approx(8 * (other.x1 - other.x0))
        assert one.y1 - one.y0 == pytest.approx(8 * (other.y1 - other.y0))


# --- configs ----------------------------------------------------------------------------------------------------------------

CONFIGS = Path(__file__).parent / "data" / "configs"


def written(folder: Path, encoder: dict[str, object], decoder: dict[str, object], preprocessor: dict[str, object]) -> Path:
    config = json.loads((CONFIGS / "donut-base.json").read_text())
    config["encoder"] |= encoder
    config["decoder"] |= decoder
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", preprocessor)
    return folder


@pytest.mark.parametrize(
    ("encoder", "decoder", "preprocessor", "said"),
    [
        ({"window_size": 61}, {}, {}, "windows of 61 cells do not fit into maps whose last is 60 cells wide"),
        ({"mlp_ratio": 0.3}, {}, {}, "mlp_ratio"),
        ({"use_absolute_embeddings": True}, {}, {}, "use_absolute_embeddings"),
        ({}, {"is_encoder_decoder": True}, {}, "is_encoder_decoder"),
        ({}, {"activation_function": "tanh"}, {}, "activation_function = 'tanh'"),
        ({"model_type": "vit"}, {}, {}, "vit before mbart is not supported; donut-swin before mbart is"),
        ({}, {}, {"size": {"shortest_edge": 900}}, "height and width are"),
        ({}, {}, {"do_thumbnail": False}, "do_thumbnail"),
    ],
)
def test_what_is_not_done_is_refused(
    encoder: dict[str, object], decoder: dict[str, object], preprocessor: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadConfig, match=said):
        describe(written(tmp_path, encoder, decoder, preprocessor))


def test_the_processors_fields_are_honoured(tmp_path: Path) -> None:
    found = describe(written(tmp_path, {}, {}, {"size": [640, 960], "do_align_long_axis": True})).model
    assert isinstance(found, Seq2SeqSpec) and found.sight is not None
    assert found.sight.views == Sheet(960, 640, "to_fit")


# --- tasks ------------------------------------------------------------------------------------------------------------------


def planner(folder: Path, *tasks: str) -> Planner:
    ids = {token: number for number, token in enumerate(("<s>", "<pad>", "</s>", "<unk>", "what", "is", "the", "total", "?"))}
    backend = Backend(WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    marks = ("<s_question>", "</s_question>", "<s_answer>") if "<s_docvqa>" in tasks else ()
    backend.add_special_tokens([AddedToken(token, special=True) for token in ("<s>", "</s>", *marks, *tasks)])
    write_text(folder / "tokenizer.json", backend.to_str())
    write_json(folder / "tokenizer_config.json", {"eos_token": "</s>", "pad_token": "<pad>"})
    tokenizer = Tokenizer.from_folder(folder)
    model = tiny(families()["donut"].model)
    assert isinstance(model, Seq2Seq)
    chat = ChatTemplate(families()["donut"].chat, "the family's own", added=tuple(tokenizer.added))
    return Planner(model.spec, tokenizer, chat)


def asked(text: str) -> list[list[Message]]:
    return [[Message("user", (Image("page.png"), *([Text(text)] if text else [])))]]


def begun(by: Planner, text: str) -> str:
    plan = by.plan(asked(text), [Size(40, 60)])
    (row,) = plan.rows
    assert row.target is not None
    return by.tokenizer.decode(row.target.ids_T, skip_special=False)


def test_a_question_stands_between_its_marks(tmp_path: Path) -> None:
    by = planner(tmp_path, "<s_docvqa>", "<s_iitcdip>")
    assert begun(by, "what is the total ?").split() == (
        ["<s_docvqa>", "<s_question>", "what", "is", "the", "total", "?", "</s_question>", "<s_answer>"]
    )
    assert "</s_question>" not in begun(by, "what is </s_question>").split()[:-2]


def test_a_task_without_a_question_takes_none(tmp_path: Path) -> None:
    by = planner(tmp_path, "<s_cord-v2>", "<s_iitcdip>")
    assert begun(by, "") == "<s_cord-v2>"
    with pytest.raises(BadPrompt, match="takes no question: send the picture alone"):
        begun(by, "what is the total ?")


def test_a_document_is_read(tmp_path: Path) -> None:
    by = planner(tmp_path, "<s_docvqa>")
    machine = tiny(families()["donut"].model).bfloat16()
    prepare(machine)
    assistant = LocalAssistant("tiny", machine, by)
    picture = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
    answer = assistant.ask("what is the total ?", picture, max_tokens=3)
    assert answer.usage.generated_tokens == 3
    with pytest.raises(BadPrompt, match="0 pictures"):
        assistant.ask("what is the total ?")
