"""How many questions a second an evaluation answers: ours in batches against a plain loop over transformers.

Both sides load one folder: SmolLM2-135M behind a random SigLIP-base and two linear layers, written in LLaVA's published layout
by `compose`. Both answer the same questions about the same drawn pictures with so many tokens each, in bf16 with the same
threads, from the encoded picture on: ours through `assistant.generate`, as `chiasm eval` does, theirs one question after the
other through the processor and `generate`. The sides take turns; medians count. Ends with exit code 3, having measured nothing,
where the load average is above 1.0 (--force measures and warns).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import chiasm
from chiasm.assistant import Assistant, Done, Request
from chiasm.generate.sampling import Sampling
from chiasm.prompt.messages import question
from chiasm.render import sample
from chiasm.spec import Resize
from chiasm.weights.folders import smollm2_folder

TOKENS, ASKED = 8, "What is shown in the picture?"


def drawn(count: int) -> list[bytes]:
    """Encoded pictures of shapes, which need no fetched fonts."""
    found = []
    for number in range(count):
        held = io.BytesIO()
        Image.fromarray(sample(number, 0, "train", "mixed shapes").picture).save(held, "PNG")
        found.append(held.getvalue())
    return found


def ours(assistant: Assistant, pictures: list[bytes], batch: int) -> int:
    """Asks in batches; how many were answered."""
    answered = 0
    for start in range(0, len(pictures), batch):
        some = pictures[start : start + batch]
        requests = [Request((question(ASKED, [one]),), TOKENS, Sampling(temperature=0.0)) for one in some]
        answered += sum(isinstance(event, Done) for event in assistant.generate(requests))
    return answered


def theirs(model: Any, images: Any, tokenizer: Any, places: int, pictures: list[bytes]) -> int:
    """Asks one after the other."""
    text = tokenizer(f"USER: \n{ASKED}\nASSISTANT:")["input_ids"]
    for one in pictures:
        pixels = images(images=Image.open(io.BytesIO(one)).convert("RGB"), return_tensors="pt")["pixel_values"]
        ids = torch.tensor([[*[model.config.image_token_id] * places, *text]])
        with torch.inference_mode():
            model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels.to(torch.bfloat16),
                max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False,
            )  # fmt: skip
    return len(pictures)


def clocked(call: Callable[[], int]) -> float:
    """Questions a second."""
    started = time.perf_counter()
    return call() / (time.perf_counter() - started)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--pictures", type=int, default=32, help="questions a turn")
    parser.add_argument("--batch", type=int, default=16, help="questions that ours takes at once")
    parser.add_argument("--turns", type=int, default=5, help="turns per side")
    parser.add_argument("--force", action="store_true", help="measure on a loaded machine too")
    given = parser.parse_args()
    busy = os.getloadavg()[0]
    if busy > 1.0 and not given.force:
        print(
            f"the machine is busy (load average {busy:.2f}): times would mean little (--force measures all the same)",
            file=sys.stderr,
        )
        return 3
    from transformers import AutoImageProcessor, AutoTokenizer, LlavaForConditionalGeneration

    pictures = drawn(given.pictures)
    with tempfile.TemporaryDirectory() as scratch:
        made = chiasm.compose("siglip:b16-224", "mlp2", str(smollm2_folder()), views=Resize(224, 224, "squash"))
        folder = made.export_llava(Path(scratch) / "model")
        mine = chiasm.load(str(folder), dtype="bfloat16")
        other = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
        images, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        pairs = []
        for turn in range(given.turns + 1):
            pair = (
                clocked(lambda: ours(mine, pictures, given.batch)),
                clocked(lambda: theirs(other, images, tokenizer, made.tokens, pictures)),
            )
            if turn:
                pairs.append(pair)
    fast, slow = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"questions a second: {fast:.2f} in batches of {given.batch}, {slow:.2f} one by one through transformers")
    print(f"{ratio:.2f} times as many (median of turns)")
    print(f"{TOKENS} tokens each, {made.tokens} visual tokens, load average {busy:.2f} before, {os.getloadavg()[0]:.2f} after")
    if given.json:
        print(json.dumps({"samples_vs_transformers": round(ratio, 3), "samples_per_second": round(fast, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
