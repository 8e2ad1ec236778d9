"""Tables of conversations as LLaVA's original code writes them and of what it trains on (arXiv:2304.08485): ids and labels are
those of the plan that training uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chiasm import registry
from chiasm.errors import BadCheckpoint
from chiasm.geometry import Size
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.planner import Planner
from chiasm.prompt.row import NO_SLOT
from chiasm.prompt.sentences import NAME, NAMED, sentences
from chiasm.prompt.taught import settled
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import Causal, Splice
from chiasm.towers.llava_chats import DIRECT, LLAMA_2, LLAVA_V1, MISTRAL_V1, PLAIN, V0, VICUNA_V1
from chiasm.weights.json_files import read_objects

Case = Mapping[str, Any]

TEMPLATES = {
    "chatml_direct": DIRECT, "llava_llama_2": LLAMA_2, "llava_v0": V0, "llava_v1": LLAVA_V1, "mistral_direct": DIRECT,
    "mistral_instruct": MISTRAL_V1, "plain": PLAIN, "v1": VICUNA_V1, "vicuna_v1": VICUNA_V1,
}  # fmt: skip
"""By the names of the original code."""

FIRST = "llava_v0"
"""The oldest form. Its original labels count a beginning of sequence into each turn's length that no turn has, and so drift
from turn to turn: nothing is to be equal to. Its turns may begin with an answer; its prompts of answers have another form."""

IMAGE, SHOWN, IGNORED = "<image>", -200, -100
"""A picture in texts and among ids, and the label of what is not trained on."""

ROLES = {"human": "user", "gpt": "assistant"}

ASKED = (
    {"from": "human", "value": "<image>\nWhat is shown in the image?"},
    {"from": "gpt", "value": "It is a cat on a mat."},
    {"from": "human", "value": "What colour is the car?"},
)
"""What the recorded prompts of answers ask."""

PROMPTS = "prompts.json"


def labelled(folder: Path) -> list[dict[str, Any]]:
    """The cases of a folder, and the prompts of answers beside them as cases of their own."""
    cases = read_objects(folder / "cases.json")
    prompts = read_objects(folder / PROMPTS) if (folder / PROMPTS).is_file() else []
    known = [one for one in prompts if one.get("template") in TEMPLATES.keys() - {FIRST} and "input_ids" in one]
    return [*cases, *({"template": one["template"], "asked": {k: one[k] for k in ("prompt", "input_ids")}} for one in known)]


def labels(folder: Path) -> Callable[[Case], dict[str, Any]]:
    """What makes a case of a folder, whose vocabulary stands beside the cases."""
    planners: dict[tuple[str, bool], Planner] = {}

    def made(case: Case) -> dict[str, Any]:
        name, legacy = case["template"], case.get("legacy", True)
        if name not in TEMPLATES:
            return {"after_preprocess_multimodal": moved(case["turns"])}
        if (name, legacy) not in planners:
            planners[name, legacy] = _planner(folder, name, legacy)
        planner = planners[name, legacy]
        if "asked" in case:
            prompt, ids, _ = written(planner, messages(moved(ASKED)), answer=True)
            return {"asked": {"prompt": prompt, "input_ids": ids}}
        turns = moved(case["turns"])
        told = captioned(turns) if name == "plain" else turns
        said = tuple(map(_message, told)) if name == FIRST else messages(told)
        prompt, ids, trained = written(planner, said, answer=False)
        found: dict[str, Any] = {"after_preprocess_multimodal": turns, "prompt": prompt, "input_ids": ids}
        if case.get("warning") is None and name != FIRST:
            # Where it could not place its own mask, the original code gave the whole conversation up.
            found["labels"] = trained
            found["supervised"] = sum(label != IGNORED for label in trained)
        return found

    return made


def moved(turns: Any) -> list[dict[str, str]]:
    """Turns whose picture stands first, once, on a line of its own."""
    found = []
    for turn in turns:
        text = turn["value"]
        if IMAGE in text:
            text = f"{IMAGE}\n{text.replace(IMAGE, '').strip()}".strip()
        found.append({"from": turn["from"], "value": text})
    return found


def captioned(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """A picture and what it shows, which a new line ends."""
    _, said = turns
    return [{"from": "human", "value": IMAGE}, {"from": "gpt", "value": f"{said['value']}\n"}]


def messages(turns: list[dict[str, str]]) -> tuple[Message, ...]:
    """Turns as a conversation that somebody begins who asks."""
    asks = next((number for number, turn in enumerate(turns) if turn["from"] == "human"), len(turns))
    return tuple(map(_message, turns[asks:]))


def _message(turn: dict[str, str]) -> Message:
    shows, text = turn["value"].startswith(IMAGE), turn["value"].removeprefix(IMAGE).removeprefix("\n")
    return Message(ROLES[turn["from"]], (*((Image(0),) if shows else ()), *((Text(text),) if text else ())))


def written(planner: Planner, said: tuple[Message, ...], *, answer: bool) -> tuple[str, list[int], list[int]]:
    """A conversation as text, as ids and as labels, each picture one id."""
    pictures = sum(len(message.pictures) for message in said)
    row = planner.plan([said], [Size(336, 336)] * pictures, answer=answer).rows[0]
    ids, trained, shown = [], [], NO_SLOT
    for id, slot, watched in zip(row.ids_T.tolist(), row.slots_T.tolist(), row.supervise_T.tolist(), strict=True):
        if slot != NO_SLOT and shown != NO_SLOT:
            continue
        shown = slot
        ids.append(SHOWN if slot != NO_SLOT else id)
        trained.append(id if watched else IGNORED)
    return planner.template.render(said, add_generation_prompt=answer).text, ids, trained


def _planner(folder: Path, name: str, legacy: bool) -> Planner:
    """The family's own planner with the vocabulary and the template of a case."""
    model = registry.family("llava-1.5").model
    assert isinstance(model, Causal) and model.sight is not None
    backend = sentences(folder, NAMED, {"legacy": legacy})
    if backend is None:
        raise BadCheckpoint(f"{folder / NAME} does not join pairs of a text as it is, as these tables' vocabulary does")
    tokenizer = Tokenizer(backend, NAMED, origin=str(folder / NAME))
    spec = replace(model, sight=replace(model.sight, fusion=Splice(SHOWN, named=IMAGE)))
    known, taught = settled(spec, tokenizer)
    return Planner(known, taught, ChatTemplate(TEMPLATES[name], name, taught.special))
