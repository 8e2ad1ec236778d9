"""How many questions a second an evaluation of the default model answers: in batches against a plain loop over transformers.

Both sides answer the same questions about the same drawn pictures, from the encoded picture on, with as many greedy tokens,
in bf16 with the same threads: ours through `assistant.generate` in batches, as `chiasm eval` does; theirs one question
after the other, the eye and the connector as plain modules, their tokens handed to transformers' Llama with the same
weights. Two sets are asked: every question that the drawn pictures have, some six a picture, of which a batch reads the
picture once; and one question a picture, where nothing is shared. The sides take turns; medians count; how many answers agree
is printed. Ends with exit code 3, having measured nothing, where the load average is above 1.0 (--force measures and warns).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image

import chiasm
from chiasm.assistant import Assistant, Done, Request
from chiasm.generate.sampling import Sampling
from chiasm.geometry import Size
from chiasm.loading import open_model
from chiasm.model import Causal
from chiasm.model import Sight as Seen
from chiasm.pixels.views import look, packed
from chiasm.prompt.messages import question
from chiasm.prompt.planner import Planner
from chiasm.render import sample
from chiasm.sequence.splice import splice
from chiasm.weights.keys import published
from chiasm.weights.read import load_model

TOKENS = 8
Asked = tuple[bytes, str]
"""An encoded picture, and what is asked about it."""


def drawn(count: int) -> list[list[Asked]]:
    """All questions of each of so many pictures of shapes, which need no fetched fonts."""
    found = []
    for number in range(count):
        made, held = sample(number, 0, "train", "mixed shapes"), io.BytesIO()
        Image.fromarray(made.picture).save(held, "PNG")
        found.append([(held.getvalue(), one.text) for one in made.questions])
    return found


def ours(assistant: Assistant, asked: list[Asked], batch: int) -> list[str]:
    """Answers, asked in batches."""
    said: list[str] = []
    for start in range(0, len(asked), batch):
        some = asked[start : start + batch]
        requests = [Request((question(words, [one]),), TOKENS, Sampling(temperature=0.0)) for one, words in some]
        done = {e.request: e.answer.text for e in assistant.generate(requests) if isinstance(e, Done)}
        said += [done[number] for number in range(len(some))]
    return said


@torch.inference_mode()
def theirs(plain: Causal, planner: Planner, language: Any, asked: list[Asked]) -> list[str]:
    """Answers, asked one after the other."""
    sight, said = plain.spec.sight, []
    assert sight is not None
    for encoded, words in asked:
        picture = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        plan = planner.plan([[question(words, [encoded])]], [Size(picture.shape[1], picture.shape[0])])
        batch = plan.batch(torch.from_numpy(packed(look(sight, picture, 0))))
        assert isinstance(batch.sight, Seen)
        text = plain.language.embed(batch.ids_BT.masked_fill(batch.slot_BT >= 0, 0))
        hidden = splice(text, plain.see(batch.sight).tokens_VD, batch.slot_BT)
        ids = language.generate(
            inputs_embeds=hidden, attention_mask=batch.valid_BT.long(), max_new_tokens=TOKENS, do_sample=False,
            eos_token_id=planner.tokenizer.eos_id, pad_token_id=planner.tokenizer.eos_id,
        )  # fmt: skip
        said.append(planner.tokenizer.decode([one for one in ids[0].tolist() if one != planner.tokenizer.eos_id]))
    return said


Sides = tuple[Assistant, Causal, Planner, Any]


def sides() -> Sides:
    """The default model as it is asked, its plain modules, and its language model in transformers."""
    from transformers import AutoConfig, LlamaForCausalLM

    opened = open_model(None)
    plain = load_model(opened.described, torch.bfloat16)
    base = opened.described.base
    assert isinstance(plain, Causal) and opened.planner is not None and base is not None
    language = LlamaForCausalLM(AutoConfig.from_pretrained(base.folder)).to(torch.bfloat16).eval()
    named = {f"language.{name}": parameter for name, parameter in plain.language.named_parameters()}
    language.load_state_dict(published(named, base.keys), strict=False)
    language.tie_weights()
    return chiasm.load(dtype="bfloat16"), plain, opened.planner, language


def clocked(call: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """Questions a second, and the answers."""
    started = time.perf_counter()
    said = call()
    return len(said) / (time.perf_counter() - started), said


def measured(sides: Sides, asked: list[Asked], batch: int, turns: int) -> float:
    """How many times as many questions a second are answered in batches: prints it, and what it is made of."""
    assistant, plain, planner, language = sides
    pairs = []
    for turn in range(turns + 1):
        (fast, mine), (slow, other) = (
            clocked(lambda: ours(assistant, asked, batch)),
            clocked(lambda: theirs(plain, planner, language, asked)),
        )
        if turn:
            pairs.append((fast, slow))
    alike = sum(a.strip() == b.strip() for a, b in zip(mine, other, strict=True))
    fast, slow = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    shown = len({picture for picture, _ in asked})
    print(f"{len(asked)} questions about {shown} pictures, {alike} answers alike: {ratio:.2f} times as many a second,")
    print(f"  {fast:.2f} in batches of {batch}, {slow:.2f} one by one through transformers (medians of {turns} turns)")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--questions", type=int, default=64, help="questions of each set, about that many")
    parser.add_argument("--batch", type=int, default=32, help="questions that ours takes at once")
    parser.add_argument("--turns", type=int, default=5, help="turns per side")
    parser.add_argument("--force", action="store_true", help="measure on a loaded machine too")
    given = parser.parse_args()
    busy = os.getloadavg()[0]
    if busy > 1.0 and not given.force:
        print(f"load average {busy:.2f}: times would mean little (--force measures all the same)", file=sys.stderr)
        return 3
    both, pictures = sides(), drawn(given.questions)
    every = [one for questions in pictures for one in questions][: given.questions]
    apart = [questions[0] for questions in pictures]
    ratio, single = (measured(both, asked, given.batch, given.turns) for asked in (every, apart))
    print(f"up to {TOKENS} tokens each, load average {busy:.2f} before, {os.getloadavg()[0]:.2f} after")
    if given.json:
        print(json.dumps({"samples_vs_transformers": round(ratio, 3), "one_a_picture": round(single, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
