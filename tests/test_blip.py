"""BLIP-2 and InstructBLIP: their prompts against the reference's processors, and a folder that is asked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from PIL import Image as Pillow
from safetensors.torch import load_file
from shrink import tiny
from tiny_tokenizers import KINDS
from tokenizers import Tokenizer, processors
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from chiasm.assistant import Request
from chiasm.budget import budget
from chiasm.errors import BadPrompt
from chiasm.evaluate.examinee import Examinee
from chiasm.generate.engine import prefill
from chiasm.geometry import Size
from chiasm.loading import load, load_local
from chiasm.model import Causal, Seq2Seq
from chiasm.pixels.views import look, packed
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.items import count
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.reference.blip import look as squashing
from chiasm.reference.parts import library
from chiasm.registry import families
from chiasm.retrieve import index
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import QFormer, Splice
from chiasm.spec import Seq2Seq as Seq2SeqSpec
from chiasm.towers.prompts import PROMPT
from chiasm.weights.read import describe

WORDS = ("What is in this picture?", "a red square", "how many circles are there? two blue ones", "數字 3 > / _")
FRAMES = {"unigram": ("", "</s>"), "byte_level": ("</s>", ""), "llama_legacy": ("<s>", ""), "llama_metaspace": ("<s>", "")}
"""What tokenizers like T5's, OPT's and Llama's put around a text."""


def tokenizer(kind: str, before: str = "", after: str = "") -> Tokenizer:
    made = Tokenizer.from_str(KINDS[kind]().to_str())
    named = [token for token in (before, after) if token]
    made.post_processor = processors.TemplateProcessing(
        single=" ".join(part for part in (before, "$A", after) if part),
        special_tokens=[(token, made.token_to_id(token)) for token in named],
    )
    return made


def fast(made: Tokenizer, before: str, after: str) -> object:
    names = {"bos_token": before, "eos_token": after or "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    names = {name: token for name, token in names.items() if token}
    return library().PreTrainedTokenizerFast(tokenizer_object=made, additional_special_tokens=["<image>"], **names)


def spec_of(folder: Path, image: int, vocab: int) -> CausalSpec | Seq2SeqSpec:
    model = describe(folder).model
    assert isinstance(model, CausalSpec | Seq2SeqSpec) and model.sight is not None
    sight = replace(model.sight, fusion=Splice(image))
    if isinstance(model, CausalSpec):
        return replace(model, sight=sight, decoder=replace(model.decoder, vocab=vocab))
    return replace(model, sight=sight, language=replace(model.language, vocab=vocab))


def saved(folder: Path, made: object) -> Path:
    made.save_pretrained(folder)  # type: ignore[attr-defined]
    return folder


def shown(words: str) -> Message:
    return Message("user", (Image(0), Text(words)))


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("name", ["blip2", "instructblip"])
def test_ids_are_the_processors_own(name: str, kind: str, tmp_path: Path, reference: Reference) -> None:
    before, after = FRAMES[kind]
    theirs = fast(tokenizer(kind, before, after), before, after)
    hinted = fast(tokenizer("word_piece", "<s>", "</s>"), "<s>", "</s>")
    folder, variant = saved(tmp_path / "model", theirs), 1 if after else 0
    image = theirs.convert_tokens_to_ids("<image>")  # type: ignore[attr-defined]
    queries = {"blip2": [5, 4], "instructblip": [4, 5]}[name][variant]
    if name == "blip2":
        by = library().Blip2Processor(squashing(), theirs, num_query_tokens=queries)
    else:
        saved(folder / "qformer_tokenizer", hinted)
        by = library().InstructBlipProcessor(squashing(), theirs, hinted, num_query_tokens=queries)
    spec = spec_of(reference(name, variant), image, len(theirs))  # type: ignore[arg-type]
    planner = Planner.from_folder(spec, folder, PROMPT)
    if name == "instructblip":
        planner = replace(planner, spec=_hinting(spec, len(hinted)))  # type: ignore[arg-type]
    picture = Pillow.fromarray(np.full((30, 50, 3), 90, np.uint8))
    for words in WORDS:
        wanted = by(images=picture, text=words, return_tensors="pt")
        row = planner.plan([[shown(words)]], [Size(50, 30)]).rows[0]
        assert row.ids_T.tolist() == wanted["input_ids"][0].tolist(), words
        assert (row.slots_T >= 0).sum() == queries
        if name == "instructblip":
            assert row.hint_T is not None
            assert row.hint_T.tolist() == wanted["qformer_input_ids"][0].tolist()
        else:
            assert row.hint_T is None
        assert (row.target is None) is isinstance(spec, CausalSpec)


def _hinting(spec: CausalSpec | Seq2SeqSpec, vocab: int) -> CausalSpec | Seq2SeqSpec:
    assert spec.sight is not None
    asks, *rest = spec.sight.connector
    assert isinstance(asks, QFormer) and asks.words is not None
    asks = replace(asks, words=replace(asks.words, vocab=vocab))
    return replace(spec, sight=replace(spec.sight, connector=(asks, *rest)))


def test_typed_control_tokens_stay_text_in_every_stream(tmp_path: Path, reference: Reference) -> None:
    theirs, hinted = (fast(tokenizer(kind, "<s>", "</s>"), "<s>", "</s>") for kind in ("llama_legacy", "word_piece"))
    folder = saved(tmp_path / "model", theirs)
    saved(folder / "qformer_tokenizer", hinted)
    image = theirs.convert_tokens_to_ids("<image>")  # type: ignore[attr-defined]
    spec = _hinting(spec_of(reference("instructblip", 0), image, len(theirs)), len(hinted))  # type: ignore[arg-type]
    row = Planner.from_folder(spec, folder, PROMPT).plan([[shown("a <image> and a </s>")]], [Size(50, 30)]).rows[0]
    assert (row.ids_T == image).sum() == (row.slots_T >= 0).sum() == 4
    end = theirs.convert_tokens_to_ids("</s>")  # type: ignore[attr-defined]
    assert (row.ids_T == end).sum() == 1
    assert row.hint_T is not None
    assert (row.hint_T == hinted.convert_tokens_to_ids("</s>")).sum() == 1  # type: ignore[attr-defined]


def test_without_the_connectors_tokenizer_it_says_what_is_missing(tmp_path: Path, reference: Reference) -> None:
    theirs = fast(tokenizer("llama_legacy", "<s>"), "<s>", "")
    spec = spec_of(reference("instructblip", 0), 4, len(theirs))  # type: ignore[arg-type]
    planner = Planner.from_folder(spec, saved(tmp_path / "model", theirs), PROMPT)
    with pytest.raises(BadPrompt, match=r"no qformer_tokenizer/tokenizer\.json"):
        planner.plan([[shown("What is it?")]], [Size(50, 30)])
    assert planner.plan([[Message("user", (Text("Without a picture."),))]]).rows[0].hint_T is None


def test_a_picture_is_not_kept_where_the_question_says_what_is_seen(tmp_path: Path, reference: Reference) -> None:
    folder = spoken(shutil.copytree(reference("instructblip", 0), tmp_path / "model"))
    model = load_local(str(folder), dtype="float32", device="cpu")
    assert isinstance(model.model, Causal) and model.planner is not None
    with pytest.raises(BadPrompt, match="sees it by the question"):
        Examinee(model.model, model.planner).see([np.zeros((40, 61, 3), np.uint8)])
    picture = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    views = look(model.model.spec.sight, picture, 0)  # type: ignore[arg-type]
    seen = []
    for words in ("w5 w6", "w7 w8"):
        plan = model.planner.plan([[shown(words)]], [Size(61, 40)])
        batch = plan.batch(torch.from_numpy(packed(views)))
        with torch.inference_mode():
            seen.append(model.model.see(batch.sight, batch.hint).tokens_VD)  # type: ignore[arg-type]
    assert float((seen[0] - seen[1]).abs().max()) > 1e-3


def test_an_answer_is_the_target_and_is_trained_on(tmp_path: Path, reference: Reference) -> None:
    theirs = fast(tokenizer("unigram", "", "</s>"), "", "</s>")
    spec = spec_of(reference("blip2", 1), theirs.convert_tokens_to_ids("<image>"), len(theirs))  # type: ignore[attr-defined,arg-type]
    planner = Planner.from_folder(spec, saved(tmp_path / "model", theirs), PROMPT)
    asked = [shown("how many circles are there?"), Message("assistant", (Text("two circles"),))]
    row = planner.plan([asked], [Size(50, 30)], answer=False).rows[0]
    alone = planner.plan([asked[:1]], [Size(50, 30)]).rows[0]
    assert row.ids_T.tolist() == alone.ids_T.tolist() and row.target is not None and alone.target is not None
    words = theirs("two circles")["input_ids"]  # type: ignore[operator]
    assert row.target.ids_T.tolist() == [0, *words] and alone.target.ids_T.tolist() == [0]
    assert row.target.supervise_T.tolist() == [False, *(True for _ in words)]
    with pytest.raises(BadPrompt, match="put the answer last"):
        planner.plan([asked[:1]], [Size(50, 30)], answer=False)


def test_questions_are_put_as_the_paper_puts_them() -> None:
    def written(name: str, *messages: Message) -> str:
        return ChatTemplate(families()[name].chat, "the family's own").render(messages, add_generation_prompt=True).text

    ask, said = Message("user", (Text("What is it?"),)), Message("assistant", (Text("a dog"),))
    assert written("blip2-opt", ask) == "Question: What is it? Answer:"
    assert written("blip2-flan-t5", ask) == "Question: What is it? Short answer:"
    again = "Question: What is it? Answer: a dog. Question: What is it? Answer:"
    assert written("blip2-opt", ask, said, ask) == again
    assert written("instructblip-vicuna", ask) == "What is it?"


# --- a folder that is asked -------------------------------------------------------------------------------------------------


def spoken(folder: Path) -> Path:
    """The folder with tokenizers of the tiny vocabulary beside its weights."""
    words = {token: k for k, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *(f"w{n}" for n in range(87)), "<image>"])}
    rules = json.loads(KINDS["word_level"]().to_str())
    rules["model"]["vocab"], rules["added_tokens"], rules["post_processor"] = words, [], None
    made = Tokenizer.from_str(json.dumps(rules))
    made.add_special_tokens(["<pad>", "<s>", "</s>", "<image>"])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    for place in (folder, folder / "qformer_tokenizer"):
        saved(place, fast(made, "<s>", "</s>"))
    return folder


@pytest.mark.parametrize(("name", "variant"), [("blip2", 0), ("blip2", 1), ("instructblip", 0), ("instructblip", 1)])
def test_a_folder_answers_and_scores(name: str, variant: int, tmp_path: Path, reference: Reference) -> None:
    folder = shutil.copytree(reference(name, variant), tmp_path / "model")
    model = load_local(str(spoken(folder)), dtype="float32", device="cpu")
    assert isinstance(model.model, Causal | Seq2Seq)
    assert model.capabilities == {"plan", "generate", "score"}
    picture = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    answer = model.ask("w5 w6 w7", Pillow.fromarray(picture), max_tokens=5)
    assert answer.usage.image_tokens in (4, 5) and answer.usage.generated_tokens <= 5
    message = (Message("user", (Image(Pillow.fromarray(picture)), Text("w5 w6 w7"))),)
    scores = model.score(Request(message), ["w9", "w9 w10"], "beginning")
    assert scores[1].logprob < scores[0].logprob < 0 and [score.tokens for score in scores] == [1, 2]


def test_the_first_stage_finds_pictures_by_text(tmp_path: Path, reference: Reference) -> None:
    folder = shutil.copytree(reference("blip2_itm", 3), tmp_path / "model")
    model = load(str(spoken(folder)), dtype="float32", device="cpu")
    assert model.capabilities == {"embed", "score"}
    draw = np.random.default_rng(0)
    pictures = [Pillow.fromarray(draw.integers(0, 256, (40, 20 + 9 * n, 3), np.uint8)) for n in range(4)]
    *many, one = model.embed([*pictures, "w5 w6"])
    assert [tuple(vectors.shape) for vectors in (*many, one)] == [(4, 20)] * 4 + [(1, 20)]
    hits = index(model, pictures).ask(model, ["w5 w6"])[0]
    cosines = [float((vectors @ one[0]).max()) for vectors in many]
    assert [hit.number for hit in hits] == np.argsort(cosines)[::-1].tolist()
    assert hits[0].cosine == pytest.approx(max(cosines), abs=1e-6)


def test_the_first_stage_judges_texts_beside_a_picture(tmp_path: Path, reference: Reference) -> None:
    folder = shutil.copytree(reference("blip2_itm", 2), tmp_path / "model")
    given, expected = (load_file(folder / f"{name}.safetensors") for name in ("inputs", "expected"))
    model = load(str(spoken(folder)), dtype="float32", device="cpu")
    for row in range(2):
        ids = given["input_ids"][row][given["attention_mask"][row].bool()].tolist()
        picture = Image(Pillow.fromarray(given[f"raw_image_{row}"].numpy()))
        words = " ".join(f"w{token - 4}" for token in ids[1:])
        (score,) = model.score(Request((Message("user", (picture,)),)), [words])
        wanted = expected["logits_per_image"][row].log_softmax(-1)[1]
        assert score.tokens == len(ids) and score.logprob == pytest.approx(float(wanted), abs=1e-5)
    with pytest.raises(BadPrompt, match="1 pictures and 1 texts"):
        model.score(Request((Message("user", (picture, Text("w5"))),)), ["w6"])


def test_an_answer_ends_where_the_language_models_own_config_says(tmp_path: Path, reference: Reference) -> None:
    folder = spoken(shutil.copytree(reference("blip2", 0), tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 50
    (folder / "config.json").write_text(json.dumps(config))
    assert load_local(str(folder), dtype="float32", device="cpu").sampling.stop_ids == ()
    (folder / "generation_config.json").unlink()
    assert load_local(str(folder), dtype="float32", device="cpu").sampling.stop_ids == (50,)


def test_published_files_that_name_a_placeholder_are_read(tmp_path: Path) -> None:
    configs = Path(__file__).parent / "data" / "configs"
    config = json.loads((configs / "blip2-opt-2.7b.json").read_text())
    config |= {"image_token_index": 50265, "image_text_hidden_size": 256}
    config["text_config"]["vocab_size"] = 50304
    (tmp_path / "config.json").write_text(json.dumps(config))
    shutil.copy(configs / "blip2-opt-2.7b.preprocessor.json", tmp_path / "preprocessor_config.json")
    wanted = families()["blip2-opt"].at("2.7b")
    assert isinstance(wanted, CausalSpec) and wanted.sight is not None
    sight, decoder = replace(wanted.sight, fusion=Splice(50265)), replace(wanted.decoder, vocab=50304)
    assert describe(tmp_path).model == replace(wanted, sight=sight, decoder=decoder)


@pytest.mark.parametrize("name", ["blip2-opt", "blip2-flan-t5", "instructblip-vicuna"])
def test_thirty_two_whatever_the_picture(name: str) -> None:
    model = families()[name].model
    assert isinstance(model, CausalSpec | Seq2SeqSpec)
    for size in (Size(20, 20), Size(3000, 17), Size(1344, 1344)):
        found = count(model, size)
        assert (found.visual, found.marks) == (32, 0)
    places = Plan.from_ids(model, [[-200] * 32], [Size(640, 480)]).places(0)
    assert places.tolist() == [[0, -1, -1, -1]] * 32
    assert budget(model, [Size(640, 480)] * 2, text=7, generate=3).positions == 64 + 7 + 3


def matrix_times_vector(matrix: tuple[int, ...], *_: object, **__: object) -> int:
    """torch's counter knows no product with a vector."""
    return 2 * matrix[0] * matrix[1]


@pytest.mark.parametrize("name", ["blip2-opt", "blip2-flan-t5"])
def test_flops_are_those_that_torch_counts(name: str) -> None:
    model = tiny(families()[name].model).requires_grad_(False)
    assert isinstance(model, Causal | Seq2Seq) and model.spec.sight is not None
    sizes = [Size(40, 24), Size(90, 85)]
    costs = budget(model.spec, sizes, text=11)
    plan = Plan.from_ids(model.spec, [[*[-200] * costs.visual, *range(1, 12)]], sizes)
    patches = torch.randn(sum(grid.cells for grid in plan.grids), 3 * model.spec.sight.encoder.patch**2)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mv: matrix_times_vector})
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        prefill(model, plan.batch(patches), 1)
    assert counter.get_total_flops() == costs.work.total
