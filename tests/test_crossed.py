"""Pictures that are asked outside of the sequence, and visual tokens with weights of their own."""

import importlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from reference_processors import CROSSED, TOKENIZERS, Pair, pair
from shrink import shrunk, tiny
from tiny_folder import tiny_folder
from tiny_tokenizers import byte_level
from torch import Tensor

from chiasm.assistant import Done, Request
from chiasm.connect.steps import Visual
from chiasm.errors import BadPrompt
from chiasm.generate.engine import prefill, step
from chiasm.geometry import Size
from chiasm.language.gated import Gallery
from chiasm.layers.visual_expert import ExpertBlock
from chiasm.loading import load_local
from chiasm.local import LocalAssistant
from chiasm.model import Causal, assemble, blank
from chiasm.pixels.views import look, packed
from chiasm.place import NOWHERE, canvases, encoded
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.items import count
from chiasm.prompt.messages import Image, Message, Text, question
from chiasm.prompt.plan import Plan
from chiasm.prompt.row import NO_SLOT
from chiasm.reference.make import redraw
from chiasm.registry import families
from chiasm.sequence.asks import seen
from chiasm.spec import Average, Bare, Cross, Expert, Resampler, Splice, override
from chiasm.spec import Causal as CausalSpec
from chiasm.weights.keys import published
from chiasm.weights.read import describe

SIZES = ((40, 24), (17, 61))
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}


def model_of(name: str) -> Causal:
    model = tiny(families()[name].model)
    assert isinstance(model, Causal)
    return model


def shown(model: Causal, sizes: tuple[tuple[int, int], ...] = SIZES) -> Tensor:
    sight, draw = model.spec.sight, np.random.default_rng(0)
    assert sight is not None
    pictures = [draw.integers(0, 256, (height, width, 3), np.uint8) for width, height in sizes]
    return torch.from_numpy(packed([view for n, pixels in enumerate(pictures) for view in look(sight, pixels, n)]))


# --- who sees which picture -------------------------------------------------------------------------------------------------


def fusion(name: str) -> Cross:
    model = families()[name].model
    assert isinstance(model, CausalSpec) and model.sight is not None and isinstance(model.sight.fusion, Cross)
    return replace(model.sight.fusion, image=7)


def rows() -> list[list[int]]:
    draw = random.Random(0)
    return [[draw.choice((1, 1, 3, 7, 2)) for _ in range(draw.randint(1, 14))] for _ in range(60)]


def as_mask(sees_2T: np.ndarray, pictures: int) -> list[list[int]]:
    return [[int(first <= picture < end) for picture in range(pictures)] for first, end in sees_2T.T.tolist()]


def test_pictures_in_an_unbroken_run_are_seen_together_as_the_processor_has_it() -> None:
    module = importlib.import_module("transformers.models.mllama.processing_mllama")
    for row in rows():
        pictures = row.count(7)
        spans = module.get_cross_attention_token_mask(row, 7)
        dense = module.convert_sparse_cross_attention_mask_to_dense([spans], [[1] * pictures], 1, len(row))
        wanted = dense[0, :, :pictures, 0].tolist()
        assert as_mask(seen(fusion("llama-3.2-vision"), np.array(row)), pictures) == wanted, row


def test_the_latest_picture_is_seen_until_the_text_ends_as_the_processor_has_it() -> None:
    module = importlib.import_module("transformers.models.idefics.processing_idefics")

    class Ids:
        eos_token_id = 2

        def convert_tokens_to_ids(self, _: str) -> int:
            return 7

    for row in rows():
        pictures = max(row.count(7), 1)
        latest, _ = module.image_attention_mask_for_packed_input_ids(torch.tensor([row]), Ids(), "pt")
        wanted = module.incremental_to_binary_attention_mask(latest, "pt", num_classes=pictures)[0].tolist()
        assert as_mask(seen(fusion("idefics"), np.array(row)), pictures) == wanted, row


def test_all_pictures_so_far_are_seen() -> None:
    every = replace(fusion("idefics"), sees="all", forgets=None)
    assert seen(every, np.array([1, 7, 1, 7, 7, 1])).tolist() == [[0, 0, 0, 0, 0, 0], [0, 1, 1, 2, 3, 3]]


def test_a_row_takes_as_many_pictures_as_it_has_placeholders() -> None:
    spec = model_of("llama-3.2-vision").spec
    assert spec.sight is not None and isinstance(spec.sight.fusion, Cross)
    image, sizes = spec.sight.fusion.image, [Size(8, 8)] * 3
    plan = Plan.from_ids(spec, [[5, image, image], [6], [image]], sizes)
    assert plan.rows_I == (0, 0, 2) and plan.nth == (0, 1, 0)
    batch = plan.batch()
    assert batch.asks is not None and (batch.slot_BT == NO_SLOT).all()
    assert batch.asks.sees_B2T.tolist() == [[[0, 0, 0], [0, 1, 2]], [[0, 0, 0], [0, 0, 0]], [[0, 0, 2], [0, 0, 3]]]
    filled = Plan.from_ids(spec, [[5, image, image], [6], [image]], [Size(8, 8)] * 6, places=2)
    assert filled.rows_I == (0, 0, 1, 1, 2, 2)
    with pytest.raises(BadPrompt, match=r"row 2 has 1 image placeholders and 0 pictures are left"):
        Plan.from_ids(spec, [[5, image, image], [6], [image]], sizes[:2])


# --- gated blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, family in families().items() if family.kind == "cross-attention"])
def test_keys_of_pictures_are_made_once_and_held(name: str) -> None:
    model = model_of(name)
    image = model.spec.sight.fusion.image  # type: ignore[union-attr]
    plan = Plan.from_ids(model.spec, [[1, image, 5, 6, image, 9]], [Size(*size) for size in SIZES])
    made: list[int] = []
    with torch.inference_mode():
        batch = plan.batch(shown(model))
        for block in model.gated.blocks:
            block.cross.k.register_forward_hook(lambda *_: made.append(1))  # type: ignore[union-attr]
        model.vision.register_forward_hook(lambda *_: made.append(100))
        logits, cache = prefill(model, batch, 3)
        assert isinstance(cache.beside, Gallery) and len(made) == 1 + len(model.gated.blocks)  # type: ignore[union-attr]
        held = cache.beside.held  # type: ignore[union-attr]
        for number in range(3):
            logits = step(model, logits.argmax(-1), batch.next_B + number, cache)
        assert len(made) == 1 + len(model.gated.blocks)
        assert cache.beside.held is held  # type: ignore[union-attr]
        assert cache.beside.asked_B1TS.shape[2] == 1  # type: ignore[union-attr]


def test_text_before_a_picture_asks_unused_tiles_too_and_later_text_does_not() -> None:
    """What the reference does: the keys of unused tiles move what stands before the first picture alone."""
    model = model_of("llama-3.2-vision")
    image = model.spec.sight.fusion.image  # type: ignore[union-attr]
    plan = Plan.from_ids(model.spec, [[1, 5, image, 6, 9]], [Size(15, 24)])
    batch = plan.batch(shown(model, ((15, 24),)))
    with torch.inference_mode():
        visual = model.see(batch.sight)  # type: ignore[arg-type]
        unused = torch.from_numpy(~visual.laid.shown())
        assert 0 < int(unused.sum()) < len(unused)
        spoilt = Visual(visual.tokens_VD + unused[:, None], visual.laid)
        gallery, other = (model._hung(batch.asks, one, visual.tokens_VD) for one in (visual, spoilt))
        x_BTD = torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(0))
        assert gallery is not None and other is not None
        moved = (model.gated.between(gallery)(1, x_BTD) - model.gated.between(other)(1, x_BTD)).abs().amax(-1)[0]
    assert (moved[:2] > 1e-4).all() and (moved[2:] == 0).all()


def test_unused_tiles_follow_a_pictures_own() -> None:
    sight = model_of("llama-3.2-vision").spec.sight
    assert sight is not None
    grids = tuple(view.grid for view, _ in look(sight, np.zeros((30, 5, 3), np.uint8), 0))
    (tiles,) = canvases(encoded(sight.encoder, grids).grids)
    assert [tile.box == NOWHERE for tile in tiles] == [False, False, True, True]


@pytest.mark.parametrize("name", CROSSED)
@pytest.mark.parametrize("tokens", TOKENIZERS)
def test_ids_are_the_processors_own(name: str, tokens: str, pairs: Callable[[str, str], Pair]) -> None:
    one = pairs(name, tokens)
    pictures = [np.full((40, 30, 3), 90, np.uint8), np.full((20, 90, 3), 10, np.uint8), np.full((9, 9, 3), 0, np.uint8)]
    theirs = one.theirs(f"<s>user :{one.sign}What is this?{one.sign}{one.sign}how many circles", pictures)
    # A tokenizer that begins every text itself does so before the beginning that was written; a chat's is written alone.
    theirs = theirs[1:] if theirs[0] == theirs[1] else theirs
    parts = (Text("user :"), Image(0), Text("What is this?"), Image(1), Image(2), Text("how many circles"))
    sizes = [Size(pixels.shape[1], pixels.shape[0]) for pixels in pictures]
    plan = one.planner.plan([[Message("user", parts)]], sizes)
    assert plan.rows[0].ids_T.tolist() == theirs
    assert plan.rows_I == (0, 0, 0)
    assert plan.visual_tokens() == [count(one.planner.spec, size).visual for size in sizes]


@pytest.fixture
def pairs(reference: Reference, tmp_path: Path) -> Callable[[str, str], Pair]:
    return lambda name, tokens: pair(name, tokens, tmp_path / f"{name}-{tokens}", reference)


@pytest.fixture(scope="module", params=["llama-3.2-vision", "idefics", "openflamingo", "cogvlm2"])
def assistant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LocalAssistant:
    spec, tokenizer = shrunk(families()[request.param].model), byte_level()
    assert isinstance(spec, CausalSpec)
    decoder = replace(spec.decoder, vocab=tokenizer.get_vocab_size() - spec.decoder.more)
    image = tokenizer.token_to_id("<image>")
    model = assemble(override(replace(spec, decoder=decoder), {"sight.fusion.image": image, "sight.marks": Bare()}))
    redraw(model, 0)
    assert isinstance(model, Causal)
    return load_local(str(tiny_folder(tmp_path_factory.mktemp("models") / request.param, modules=model)), dtype="float32")


def picture(seed: int, height: int = 40, width: int = 61) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_an_assistant_answers_requests_together_as_apart(assistant: LocalAssistant) -> None:
    requests = [
        Request((question("one square", [picture(1)]),), max_tokens=6),
        Request((question("Two circles, and one square."),), max_tokens=9),
        Request((question("both", [picture(2), picture(3, 20, 20)]),), max_tokens=3),
    ]
    together = {event.request: event.answer for event in assistant.generate(requests) if isinstance(event, Done)}
    for number, request in enumerate(requests):
        (alone,) = [event.answer for event in assistant.generate([request]) if isinstance(event, Done)]
        assert together[number].text == alone.text and together[number].usage == alone.usage
        plan = assistant.plan([request])
        assert alone.usage.image_tokens == sum(plan.visual_tokens())
    assert [answer.usage.image_tokens > 0 for _, answer in sorted(together.items())] == [True, False, True]


def test_an_assistant_scores_answers_by_what_it_sees(assistant: LocalAssistant) -> None:
    options = ["one square", "two circles"]
    first, second = (assistant.score(Request((question("what", [picture(n)]),)), options) for n in (1, 2))
    again = assistant.score(Request((question("what", [picture(1)]),)), options)
    assert first == again
    assert all(a.logprob != b.logprob for a, b in zip(first, second, strict=True))


# --- Flamingo's second way ----------------------------------------------------------------------------------------------------


def every_picture(pictures: int) -> Causal:
    """OpenFlamingo around GPT-NeoX: text asks all pictures so far, each of which tells its number in its row."""
    spec = shrunk(families()["openflamingo"].model)
    assert isinstance(spec, CausalSpec) and spec.sight is not None and isinstance(spec.sight.fusion, Cross)
    fusion = replace(spec.sight.fusion, sees="all", blind=Average())
    (reader,) = spec.sight.connector
    assert isinstance(reader, Resampler)
    sight = replace(spec.sight, fusion=fusion, connector=(replace(reader, ordinals=pictures),))
    model = assemble(replace(spec, sight=sight)).eval()
    redraw(model, 0)
    assert isinstance(model, Causal)
    return model


def by_hand(block: Any, x_TD: Tensor, media_ISD: Tensor, seen_T: list[int]) -> Tensor:
    """One row through a gated block as the paper writes it: token t asks the first seen_T[t] pictures, and where these are none
    its scores are all alike."""
    cross, states = block.cross, media_ISD.flatten(0, 1)
    heads = cross.q.out_features // cross.head_width
    q, k, v = cross.q(block.norm1(x_TD)), cross.k(states), cross.v(states)
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in (q, k, v))
    scores = q @ k.transpose(1, 2) * cross.head_width**-0.5
    number = torch.arange(len(media_ISD)).repeat_interleave(media_ISD.shape[1])
    hidden = number >= torch.tensor(seen_T)[:, None]
    mixed = scores.masked_fill(hidden, -torch.finfo(scores.dtype).max).softmax(-1) @ v
    x_TD = x_TD + block.gate1.weight.tanh() * cross.out(mixed.transpose(0, 1).flatten(1))
    return x_TD + block.gate2.weight.tanh() * block.mlp(block.norm2(x_TD))


def test_all_pictures_so_far_are_asked_and_before_the_first_all_alike() -> None:
    """A row whose second picture nobody sees gets its share of it before the first, as the original has it."""
    model = every_picture(2)
    image = model.spec.sight.fusion.image  # type: ignore[union-attr]
    sizes = (*SIZES, (30, 30), (9, 50))
    plan = Plan.from_ids(model.spec, [[1, 5, image, 6, image], [1, 8, image, 7, 9]], [Size(*size) for size in sizes], places=2)
    batch = plan.batch(shown(model, sizes))
    x_BTD = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        visual = model.see(batch.sight)  # type: ignore[arg-type]
        gallery = model._hung(batch.asks, visual, x_BTD)
        assert gallery is not None
        got = model.gated.between(gallery)(model.gated.spec.before[0], x_BTD)
        media = visual.tokens_VD.unflatten(0, (2, 2, -1))
        for row, seen_T in enumerate(([0, 0, 1, 1, 2], [0, 0, 1, 1, 1])):
            wanted = by_hand(model.gated.blocks[0], x_BTD[row], media[row], seen_T)
            torch.testing.assert_close(got[row], wanted, **CLOSE)


def test_pictures_tell_their_number_in_their_row_and_no_more_are_taken() -> None:
    model = every_picture(2)
    image = model.spec.sight.fusion.image  # type: ignore[union-attr]
    sizes = (SIZES[0],) * 3
    with torch.inference_mode():
        plan = Plan.from_ids(model.spec, [[1, image, image], [1, image]], [Size(*SIZES[0])] * 3)
        patches = shown(model, (SIZES[0],)).repeat(3, 1)
        first, second, third = model.see(plan.batch(patches).sight).tokens_VD.chunk(3)  # type: ignore[arg-type]
        torch.testing.assert_close(first, third, **CLOSE)
        assert (first - second).abs().max() > 1e-3
        plan = Plan.from_ids(model.spec, [[1, image, image, image]], [Size(*size) for size in sizes])
        with pytest.raises(BadPrompt, match="a row has 3 pictures and the model tells 2 apart"):
            model.see(plan.batch(patches).sight)  # type: ignore[arg-type]


def test_the_second_way_is_read_from_its_folder(tmp_path: Path) -> None:
    config = json.loads((Path(__file__).parent / "data" / "configs" / "openflamingo-4b.json").read_text())
    config["perceiver"]["max_num_media"] = 5
    config["cross_attention"]["only_attend_immediate_media"] = False
    (tmp_path / "config.json").write_text(json.dumps(config))
    described = describe(tmp_path)
    spec = described.model
    assert isinstance(spec, CausalSpec) and spec.sight is not None and isinstance(spec.sight.fusion, Cross)
    assert (spec.sight.fusion.sees, spec.sight.fusion.blind) == ("all", Average())
    names = {n: tuple(x.shape) for n, x in published(dict(blank(spec).named_parameters()), described.keys).items()}
    assert names["perceiver.media_time_embs"] == (5, 1, 1024)
    assert names["lang_encoder.gpt_neox.layers.1.gated_cross_attn_layer.attn.to_kv.weight"] == (1024, 1024)
    assert "lang_encoder.gpt_neox.layers.0.gated_cross_attn_layer.attn.to_kv.weight" not in names
    assert names["lang_encoder.gpt_neox.layers.0.decoder_layer.attention.query_key_value.weight"] == (7680, 2560)
    assert names["lang_encoder.embed_out.weight"] == (50280, 2560)


# --- visual experts ---------------------------------------------------------------------------------------------------------


def expert(bias: bool = False) -> Causal:
    spec = shrunk(families()["cogvlm2"].model)
    assert isinstance(spec, CausalSpec) and spec.sight is not None
    model = assemble(replace(spec, sight=replace(spec.sight, fusion=Expert(spec.sight.fusion.image, bias)))).eval()  # type: ignore[union-attr]
    redraw(model, 0)
    assert isinstance(model, Causal)
    return model


@pytest.mark.parametrize(("fixture", "sign"), [("cogvlm-17b", "<unk>"), ("cogvlm2-19b", "<|reserved_special_token_0|>")])
def test_both_editions_bring_a_template_that_shows_pictures(fixture: str, sign: str, tmp_path: Path) -> None:
    config = (Path(__file__).parent / "data" / "configs" / f"{fixture}.json").read_text()
    (tmp_path / "config.json").write_text(config)
    chat = describe(tmp_path).chat
    assert chat is not None
    messages = [
        Message("user", (Text("what"), Image(0))), Message("assistant", (Text("a square"),)), Message("user", (Text("why"),)),
    ]  # fmt: skip
    written = ChatTemplate(chat, fixture, {"bos_token": "<s>"}).render(messages, add_generation_prompt=True).text
    assert written == f"<s>{sign}Question: what Answer: a square\nQuestion: why Answer:"


def test_experts_with_the_languages_weights_are_the_plain_decoder() -> None:
    model = expert()
    for block in model.language.blocks:
        assert isinstance(block, ExpertBlock)
        block.expert.attention.load_state_dict(block.attention.state_dict())
        block.expert.mlp.load_state_dict(block.mlp.state_dict())
    spec = model.spec
    assert spec.sight is not None and isinstance(spec.sight.fusion, Expert)
    plain = assemble(replace(spec, sight=replace(spec.sight, fusion=Splice(spec.sight.fusion.image)))).eval()
    assert isinstance(plain, Causal)
    whole = model.state_dict()
    plain.load_state_dict({name: whole[name] for name in plain.state_dict()})
    batch = batch_of(model)
    with torch.inference_mode():
        visual = model.see(batch.sight)
        same, theirs = model.read(batch, visual), plain.read(batch, visual)
        torch.testing.assert_close(same[batch.valid_BT], theirs[batch.valid_BT], **CLOSE)
        redraw(model, 1)
        moved = (model.read(batch, visual) - theirs).abs().amax(-1)[batch.valid_BT]
    assert (moved > 1e-3).any()


def batch_of(model: Causal) -> Any:
    spec = model.spec
    assert spec.sight is not None and isinstance(spec.sight.fusion, Expert)
    one = [spec.sight.fusion.image] * count(spec, Size(*SIZES[0])).visual
    plan = Plan.from_ids(spec, [[1, *one, 5, 6, *one], [1, 8]], [Size(*SIZES[0]), Size(*SIZES[1])])
    return plan.batch(shown(model))


def test_a_run_of_visual_tokens_shares_one_place_inside_and_ends_as_text() -> None:
    model = expert()
    batch = batch_of(model)
    assert batch.where_ABT[0, 0].tolist() == [0, 1, 2, 2, 2, 2, 3, 4, 5, 6, 7, 7, 7, 7, 8]
    assert batch.next_B.tolist() == [9, 2]
    visual_BT = model._visual(batch.slot_BT)
    assert visual_BT is not None
    assert visual_BT[0].int().tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0]
    assert not visual_BT[1].any()


def test_weights_of_both_kinds_act_on_their_own_tokens_alone() -> None:
    """Of the first block's output projection, where no token has yet seen another one's change."""
    model = expert(bias=True)
    batch = batch_of(model)
    kinds = model._visual(batch.slot_BT)
    assert kinds is not None
    block = model.language.blocks[0]
    assert isinstance(block, ExpertBlock)
    down: Any = block.expert.mlp.down
    x_BTD = torch.randn(*kinds.shape, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = block(x_BTD, "causal", visual_BT=kinds)
        down.weight.mul_(2)
        moved = (block(x_BTD, "causal", visual_BT=kinds) != before).any(-1)
    assert torch.equal(moved, kinds)
