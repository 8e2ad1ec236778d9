"""A model that transformers computes, as an assistant: its own greedy text, piece by piece, its own probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_folder import CHAT
from tiny_tokenizers import NAMED, byte_level
from tokenizers import Tokenizer

import chiasm
from chiasm.assistant import Delta, Done, Request
from chiasm.errors import BadPrompt, Unsupported
from chiasm.generate.cycles import Cycle
from chiasm.generate.sampling import Contrast, Sampling
from chiasm.pixels.clips import Clip
from chiasm.prompt.messages import Image as Shown
from chiasm.prompt.messages import Message, Text, question
from chiasm.reference.parts import clip_processor, clip_tower, decoder, library
from chiasm.remote.in_process import LibraryAssistant

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LLaVA, whole: CLIP's tower, Llama, and the processor of both."""
    place = tmp_path_factory.mktemp("library") / "llava"
    backend = Tokenizer.from_str(byte_level().to_str())
    tokenizer = library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED)
    facts = {"patch_size": 6, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    library().LlavaProcessor(clip_processor(30), tokenizer, **facts, image_token="<image>", chat_template=CHAT).save_pretrained(
        place
    )
    text = decoder("llama", tie_word_embeddings=False, vocab_size=len(tokenizer), max_position_embeddings=512)
    config = library().LlavaConfig(
        vision_config=clip_tower(), text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default", image_seq_length=25, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = library().LlavaForConditionalGeneration(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def assistant(folder: Path) -> LibraryAssistant:
    made = chiasm.load(f"transformers:{folder}", dtype="float32")
    assert isinstance(made, LibraryAssistant)
    return made


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    """The processor and the model as a person would use them."""
    return (
        library().AutoProcessor.from_pretrained(folder),
        library().AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").eval(),
    )


def inputs_of(theirs: Any, words: str) -> Any:
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": words}]}]
    text = theirs[0].apply_chat_template(turn, add_generation_prompt=True)
    return theirs[0](text=[text], images=[Image.fromarray(PICTURE)], return_tensors="pt")


def test_its_greedy_text_is_transformers_own(assistant: LibraryAssistant, theirs: Any) -> None:
    inputs = inputs_of(theirs, "How many circles?")
    made = theirs[1].generate(**inputs, do_sample=False, max_new_tokens=20)[0, inputs["input_ids"].shape[1] :]
    wanted = theirs[0].tokenizer.decode(made, skip_special_tokens=True)
    answer = assistant.ask("How many circles?", PICTURE, max_tokens=20, sampling=Sampling())
    assert wanted and answer.text == wanted
    assert answer.usage.text_tokens == inputs["input_ids"].shape[1] and answer.usage.generated_tokens == len(made) == 20
    assert answer.finish_reason == "length"
    assert assistant.ask("How many circles?", PICTURE, max_tokens=20).text == wanted


def test_it_streams_whole_characters(assistant: LibraryAssistant) -> None:
    stream = assistant.stream("How many circles?", PICTURE, max_tokens=20)
    pieces = list(stream)
    assert "".join(pieces) == stream.answer.text and len(pieces) > 3
    assert not any("\ufffd" in piece for piece in pieces[:-1])


def test_a_stop_string_and_an_ending_token_end_it(assistant: LibraryAssistant) -> None:
    free = assistant.ask("How many circles?", PICTURE, max_tokens=20)
    inside = free.text[len(free.text) // 2 :][:2]
    cut = assistant.ask("How many circles?", PICTURE, max_tokens=20, stop=[inside])
    assert cut.text == free.text[: free.text.index(inside)] and cut.finish_reason == "stop"
    first = assistant._processor.tokenizer(free.text, add_special_tokens=False)["input_ids"][0]
    ended = assistant.ask("How many circles?", PICTURE, max_tokens=20, sampling=Sampling(stop_ids=(first,)))
    assert (ended.text, ended.finish_reason, ended.usage.generated_tokens) == ("", "stop", 0)
    other = assistant.ask("How many circles?", PICTURE, max_tokens=20, sampling=Sampling(forbidden_ids=(first,)))
    assert other.text and not other.text.startswith(free.text[:1])


def test_a_cancelled_answer_ends(assistant: LibraryAssistant) -> None:
    requests, text = [Request((question(f"What {n}?", [PICTURE]),), max_tokens=300) for n in range(2)], ["", ""]
    reasons = {}
    for event in assistant.generate(requests):
        match event:
            case Delta(number, piece):
                text[number] += piece
                assistant.cancel(0)
                assistant.cancel(1)
            case Done(number, answer):
                reasons[number] = answer.finish_reason
                assert answer.text == text[number] and answer.usage.generated_tokens < 300
    assert reasons == {0: "cancelled", 1: "cancelled"} and text[1] == ""


def test_a_stream_that_nobody_reads_on_ends(assistant: LibraryAssistant) -> None:
    stream = assistant.generate([Request((question("What?", [PICTURE]),), max_tokens=400)])
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert assistant.ask("What?", PICTURE, max_tokens=2).usage.generated_tokens == 2


def test_scores_are_those_of_one_forward(assistant: LibraryAssistant, theirs: Any) -> None:
    request = Request((question("How many circles?", [PICTURE]),))
    inputs, tokenizer = inputs_of(theirs, "How many circles?"), theirs[0].tokenizer
    begun, complete = (assistant.score(request, ["two", "two circles"], extent) for extent in ("beginning", "complete"))
    for number, option in enumerate(("two", "two circles")):
        ids = tokenizer(option, add_special_tokens=False)["input_ids"]
        whole = torch.cat([inputs["input_ids"], torch.tensor([ids])], 1)
        with torch.inference_mode():
            logits = theirs[1](input_ids=whole, pixel_values=inputs["pixel_values"]).logits[0].log_softmax(-1)
        start = inputs["input_ids"].shape[1] - 1
        wanted = sum(float(logits[start + place, token]) for place, token in enumerate(ids))
        end = float(logits[-1, tokenizer.convert_tokens_to_ids("<|im_end|>")])
        assert begun[number].logprob == pytest.approx(wanted, abs=1e-4) and begun[number].tokens == len(ids)
        assert complete[number].logprob == pytest.approx(wanted + end, abs=1e-4) and complete[number].tokens == len(ids) + 1
    assert "score" in assistant.capabilities


@pytest.mark.parametrize(
    ("sampling", "name"),
    [
        (Sampling(contrast=Contrast()), "contrast"),
        (Sampling(max_length=40), "max_length"),
        (Sampling(cycle=Cycle(times=9)), "cycle"),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(sampling: Sampling, name: str, assistant: LibraryAssistant) -> None:
    with pytest.raises(Unsupported, match=f"cannot honour {name}"):
        assistant.ask("What?", PICTURE, sampling=sampling)


def test_what_it_can_is_honoured(assistant: LibraryAssistant) -> None:
    drawn = Sampling(temperature=1.5, top_k=50, top_p=0.95, min_p=0.01, repetition_penalty=1.2, seed=3, cycle=None)
    first, again = (assistant.ask("What?", PICTURE, max_tokens=12, sampling=drawn).text for _ in range(2))
    assert first == again != assistant.ask("What?", PICTURE, max_tokens=12, sampling=Sampling()).text


def test_what_its_processor_refuses_is_one_sentence(assistant: LibraryAssistant, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="read clips"):
        assistant.chat([Message("user", (Shown(Clip(tmp_path)), Text("What?")))])
    with pytest.raises(BadPrompt, match="nothing to score"):
        assistant.score(Request((question("What?", [PICTURE]),)), [""])
