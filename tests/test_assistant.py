"""The assistant's surface: asked, streamed, planned, scored, embedded; what a model cannot do says so."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from tiny_folder import tiny_folder, tiny_spec

import chiasm
from chiasm.assistant import Answer, Assistant, Delta, Done, Request
from chiasm.cli import main
from chiasm.errors import BadPrompt, Overflow, Unsupported, UserError
from chiasm.generate.sampling import Sampling
from chiasm.loading import load_local
from chiasm.local import LocalAssistant
from chiasm.model import Causal
from chiasm.prompt.messages import Message, Text, question
from chiasm.prompt.stops import Stops


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalAssistant:
    return load_local(str(tiny_folder(tmp_path_factory.mktemp("models") / "tiny")), dtype="float32")


def picture(seed: int, height: int = 40, width: int = 61) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_a_stream_is_the_answer_in_pieces(model: LocalAssistant) -> None:
    whole = model.ask("What is in this picture?", picture(0), max_tokens=24)
    pieces = model.stream("What is in this picture?", picture(0), max_tokens=24)
    assert "".join(pieces) == whole.text == pieces.answer.text
    assert whole.usage.generated_tokens <= 24 and whole.finish_reason in ("length", "stop", "repetition")
    assert {"load", "open", "see", "prefill"} <= whole.seconds.keys()


def test_requests_together_are_requests_apart(model: LocalAssistant) -> None:
    requests = [
        Request((question("one square", [picture(1)]),), max_tokens=9),
        Request((question("What is in this picture? Two circles, and one square."),), max_tokens=5),
        Request((question("both", [picture(2), picture(3, 20, 20)]),), max_tokens=7),
    ]
    answers: dict[int, Answer] = {}
    texts = dict.fromkeys(range(3), "")
    for event in model.generate(requests):
        match event:
            case Delta(number, text):
                texts[number] += text
            case Done(number, answer):
                answers[number] = answer
    for number, request in enumerate(requests):
        (alone,) = [event.answer for event in model.generate([request]) if isinstance(event, Done)]
        assert answers[number].text == alone.text == texts[number]
        assert answers[number].usage == alone.usage


def test_the_plan_is_what_the_answer_costs(model: LocalAssistant) -> None:
    request = Request((question("What is this?", [picture(4)]),), max_tokens=3)
    plan, sized = model.plan([request]), model.plan([request], sizes=[(61, 40)])
    usage = model.ask("What is this?", picture(4), max_tokens=3).usage
    assert len(plan.rows[0]) == len(sized.rows[0]) == usage.image_tokens + usage.text_tokens
    with pytest.raises(Overflow, match="more than the context of 600"):
        model.plan([Request(request.messages, max_tokens=600)])


def test_an_answer_is_as_long_as_its_folder_says_where_nobody_else_does(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path / "model")
    config = json.loads((folder / "generation_config.json").read_text())
    shortest = {"min_new_tokens": 3, "max_new_tokens": 3}
    (folder / "generation_config.json").write_text(json.dumps(config | shortest))
    model = chiasm.load(str(folder), dtype="float32")
    assert model.ask("What is this?", picture(4)).usage.generated_tokens == 3
    assert model.ask("What is this?", picture(4), max_tokens=5).usage.generated_tokens >= 3
    folder = tiny_folder(tmp_path / "short", context=150)
    longest = {"min_new_tokens": 4096, "max_new_tokens": 4096}
    (folder / "generation_config.json").write_text(json.dumps(config | longest))
    answer = chiasm.load(str(folder), dtype="float32").ask("What is this?", picture(4))
    assert sum(vars(answer.usage).values()) == 150 and answer.finish_reason == "length"


def test_a_stop_string_ends_the_answer_and_is_not_in_it(model: LocalAssistant) -> None:
    free = model.ask("squares", picture(5), max_tokens=24, sampling=Sampling(temperature=1.0, seed=3))
    inside = free.text[len(free.text) // 2 :][:2]
    if not inside:
        pytest.skip("the random model said too little")
    cut = model.ask("squares", picture(5), max_tokens=24, sampling=Sampling(temperature=1.0, seed=3), stop=[inside])
    assert cut.finish_reason == "stop" and inside not in cut.text and free.text.startswith(cut.text)


@pytest.mark.parametrize("cut", range(1, 6))
def test_stops_hold_back_what_may_become_one(cut: int) -> None:
    text = "abcaabcab"
    stops = Stops(["abcab"])
    shown = "".join(stops.feed(text[at : at + cut]) for at in range(0, len(text), cut)) + stops.close()
    assert shown == "abca" and stops.hit
    free = Stops(["xyz"])
    assert "".join(free.feed(c) for c in "axyb xy") + free.close() == "axyb xy"


def test_scores_are_the_model_s_own_probabilities(model: LocalAssistant) -> None:
    request = Request((question("How many?", [picture(6)]),))
    options = ["two", "three circles", "one"]
    scored = model.score(request, options)
    assert [score.option for score in scored] == options
    (again,) = model.score(request, ["three circles"])
    assert again.logprob == pytest.approx(scored[1].logprob, abs=1e-4)
    assert all(score.logprob < 0 for score in scored)


def test_a_complete_answer_ends_and_a_beginning_goes_on(tmp_path: Path) -> None:
    """A model that was taught to say 12 would begin so with "1" too: only as the beginning of an answer is that likelier."""
    asked, spec = "How many?", tiny_spec()
    modules = Causal(spec).train()
    plain = load_local(str(tiny_folder(tmp_path / "plain", modules=modules)), dtype="float32", device="cpu")
    assert plain.planner is not None
    tokenizer = plain.planner.tokenizer
    prompt = plain.planner.plan([(question(asked),)]).rows[0].ids_T.tolist()
    one, whole = tokenizer.encode("1"), tokenizer.encode("12")
    assert whole[: len(one)] == one and len(whole) > len(one)
    ids_BT = torch.tensor([[*prompt, *whole, tokenizer.controls["<|im_end|>"]]])
    optimizer = torch.optim.Adam(modules.parameters(), lr=0.02)
    rows = plain.planner.plan([(question(asked), Message("assistant", (Text("12"),)))], answer=False)
    batch = rows.batch()
    assert batch.ids_BT[0, : ids_BT.shape[1]].tolist() == ids_BT[0].tolist()
    for _ in range(40):
        optimizer.zero_grad()
        logits_BTS = modules.logits(modules(batch))
        ahead = logits_BTS[0, len(prompt) - 1 : ids_BT.shape[1] - 1]
        torch.nn.functional.cross_entropy(ahead, ids_BT[0, len(prompt) :]).backward()
        optimizer.step()
    taught = load_local(str(tiny_folder(tmp_path / "taught", modules=modules)), dtype="float32", device="cpu")
    assert taught.ask(asked, max_tokens=5).text == "12"
    request, options = Request((question(asked),)), ["1", "12", "2"]
    complete, begun = taught.score(request, options), taught.score(request, options, "beginning")
    assert max(complete, key=lambda score: score.logprob).option == "12"
    assert max(begun, key=lambda score: score.logprob).option == "1"
    assert [score.tokens for score in complete] == [score.tokens + 1 for score in begun] == [2, 3, 2]
    for beginning, whole_answer in zip(begun, complete, strict=True):
        assert whole_answer.logprob < beginning.logprob


def test_an_answer_may_end_by_any_of_several_tokens(model: LocalAssistant) -> None:
    """Their probabilities add up: what ends generation ends an answer."""
    request = Request((question("How many?", [picture(6)]),))
    controls = model.tokenizer.controls  # type: ignore[union-attr]
    one, other, always = controls["<|im_end|>"], controls["<end_of_utterance>"], controls["</s>"]

    def by(*stops: int) -> float:
        asked = replace(request, sampling=Sampling(stop_ids=stops))
        (complete,), (begun,) = model.score(asked, ["two"]), model.score(asked, ["two"], "beginning")
        return math.exp(complete.logprob - begun.logprob)

    # The tokenizer's own end of sequence is always one of them.
    assert by(one, other) == pytest.approx(by(one) + by(other) - by(always), rel=1e-4)
    assert by(always) < by(one) < by(one, other)


def test_chat_reads_both_spellings(model: LocalAssistant) -> None:
    openai = [{"role": "user", "content": [{"type": "text", "text": "red"}]}]
    plain = [{"role": "user", "content": "red"}]
    assert model.chat(openai, max_tokens=4).text == model.chat(plain, max_tokens=4).text
    with pytest.raises(BadPrompt):
        model.ask("   ", picture(7))


def test_cancelled_requests_say_so(model: LocalAssistant) -> None:
    events: Iterator[object] = model.generate([Request((question("red square"),), max_tokens=200)])
    last = None
    for number, event in enumerate(events):
        if number == 2:
            model.cancel(0)
        last = event
    assert isinstance(last, Done) and last.answer.finish_reason in ("cancelled", "stop")


def test_what_a_model_cannot_do_it_says(model: LocalAssistant) -> None:
    assert model.capabilities == {"plan", "generate", "score"}
    with pytest.raises(Unsupported, match="cannot embed"):
        model.embed(["text"])
    for verb in (Assistant.locate, Assistant.segment):
        with pytest.raises(Unsupported):
            verb(model, picture(8), "the square")
    with pytest.raises(UserError, match="is a family, a design without weights"):
        chiasm.load("llava-1.5")


def test_a_contrastive_model_embeds(reference: Reference) -> None:
    model = chiasm.load(str(reference("siglip", 0)), dtype="float32")
    assert model.capabilities == {"embed"}
    vectors = model.embed([picture(9), picture(10)])
    assert vectors.shape[0] == 2
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))
    with pytest.raises(Unsupported):
        model.ask("What is this?", picture(9))


def test_names_of_the_surface_stay_what_they_are() -> None:
    """Also where the room of that name is imported."""
    code = (
        "import chiasm; from chiasm.compose import Composition; import chiasm.families.clip;"
        "assert len(chiasm.families()) == len(chiasm.families()) > 50; from chiasm import families; families();"
        "assert isinstance(chiasm.compose('clip', 'mlp2', 'smollm2:135m'), Composition)"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=True)


# --- folders without a tokenizer --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llava", "kosmos2", "mllama", "qwen2_vl", "blip2", "t5", "clip", "colpali", "grounding_dino"])
def test_a_folder_without_a_tokenizer_loads_and_is_planned(
    name: str, reference: Reference, capsys: pytest.CaptureFixture[str]
) -> None:
    """What reads text says then what is missing."""
    folder = str(reference(f"text_{name}" if name == "t5" else name, 0))
    model = load_local(folder, dtype="float32")
    uses = {
        "generate": lambda: model.ask("What?"),
        "embed": lambda: model.embed(["a"]),
        "locate": lambda: model.locate(picture(0), "a"),
    }
    for verb in model.capabilities & uses.keys():
        with pytest.raises(UserError, match=r"no tokenizer\.json|template"):
            uses[verb]()
    if "generate" in model.capabilities and name != "t5":
        assert main(["plan", "--model", folder, "--size", "61x40", "--max-tokens", "4"]) == 0
        assert "text not counted" in capsys.readouterr().out
        assert main(["plan", "--model", folder, "--text", "What?"]) == 2
        assert "has no tokenizer with a chat template to count --text with" in capsys.readouterr().err


def test_a_composition_of_bare_folders_loads(reference: Reference, tmp_path: Path) -> None:
    made = chiasm.compose(str(reference("siglip", 0)), "mlp2", str(reference("text_llama", 0)))
    model = chiasm.load(str(made.save(tmp_path / "made")), dtype="float32")
    with pytest.raises(UserError, match=r"no tokenizer\.json"):
        model.ask("What?", picture(0))
