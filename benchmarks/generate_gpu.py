"""How fast SmolLM2-135M reads and writes on a GPU: against transformers and the memory's speed.

Both sides run in turns, in bf16 under inference_mode with the same ids and greedy tokens; medians count. Ours is the public
`generate` with its events and log-probabilities, by replay and without; theirs a bare loop over forward and argmax with sdpa,
the default cache and logits of the last position alone. The limit is reading the weights' bytes once a token, as fast as a sum
reads as many. Ends with exit code 3 where torch finds no GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from generate import PROMPT, Times, Turns, clocked, counting, median, run_ours

from chiasm.generate import engine
from chiasm.loading import load
from chiasm.model import Batch, Causal
from chiasm.prompt.plan import Plan
from chiasm.weights.folders import smollm2_folder

ANSWER = 128
NEVER = 1 << 30


def case(folder: Path, rows: int) -> tuple[Causal, Batch, Any, dict[str, torch.Tensor]]:
    """The same prompt in so many rows, on both sides."""
    from transformers import AutoModelForCausalLM

    ours = load(str(folder), device="cuda", dtype="bfloat16").model
    assert isinstance(ours, Causal)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval().cuda()
    ids = counting(folder, PROMPT)
    batch = Plan.from_ids(ours.spec, [ids] * rows).batch().to("cuda")
    return ours, batch, theirs, {"input_ids": torch.tensor([ids] * rows, device="cuda")}


def plainly(model: Causal, batch: Batch, count: int) -> tuple[Times, list[int]]:
    """Ours, token by token as Python launches it."""
    before, engine.PATIENCE = engine.PATIENCE, NEVER
    try:
        return run_ours(model, batch, count)
    finally:
        engine.PATIENCE = before


@torch.inference_mode()
def run_theirs(model: Any, inputs: dict[str, torch.Tensor], count: int) -> tuple[Times, list[int]]:
    torch.cuda.synchronize()
    started = time.perf_counter()
    out = model(**inputs, use_cache=True, logits_to_keep=1)
    ids = [out.logits[:, -1].argmax(-1)]
    torch.cuda.synchronize()
    first = time.perf_counter() - started
    for _ in range(count - 1):
        out = model(input_ids=ids[-1][:, None], past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
        ids.append(out.logits[:, -1].argmax(-1))
    torch.cuda.synchronize()
    return (first, (time.perf_counter() - started - first) / (count - 1)), torch.stack(ids).flatten().tolist()


def byte_seconds(model: Causal) -> float:
    """What reading the weights once takes."""
    count = sum(p.numel() * p.element_size() for p in model.parameters())
    # More than the chip's own memory holds, so that it is read from outside.
    memory = torch.ones(4 * count // 8, dtype=torch.int64, device="cuda")

    def summed() -> None:
        memory.sum()
        torch.cuda.synchronize()

    return statistics.median(clocked(summed) for _ in range(9)) / 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--runs", type=int, default=7, help="turns per side, at least 7")
    parser.add_argument("--rows", type=int, default=1, help="prompts read at once")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        print("torch finds no GPU here", file=sys.stderr)
        return 3
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {asked.rows} x {PROMPT} tokens, then {ANSWER}")
    ours, batch, theirs, inputs = case(smollm2_folder(), asked.rows)
    turns = Turns()
    for turn in range(max(7, asked.runs) + 1):
        mine, said = run_ours(ours, batch, ANSWER)
        plain, plain_said = plainly(ours, batch, ANSWER)
        other, expected = run_theirs(theirs, inputs, ANSWER)
        if not said == plain_said == expected:
            raise SystemExit(f"the sides disagree: {said}, {plain_said} token by token, {expected} expected")
        if turn:
            turns.ours.append(mine)
            turns.eager.append(plain)
            turns.theirs.append(other)
    limit = byte_seconds(ours)
    print(f"{'':24}{'ours':>10}{'plainly':>10}{'theirs':>10}{'ratio':>8}{'limit':>10}{'share':>8}")
    names = (("prefill, ms", 0), ("a token after it, ms", 1))
    for name, n in names:
        mine, plain_ms, other_ms = (1e3 * median(side)[n] for side in (turns.ours, turns.eager, turns.theirs))
        bound = f"{1e3 * limit:10.3f}{1e3 * limit / mine:8.2f}" if n else ""
        print(f"{name:24}{mine:10.3f}{plain_ms:10.3f}{other_ms:10.3f}{turns.ratios(turns.ours)[n]:8.2f}{bound}")
    if asked.json:
        (prefill, decode), (_, plain) = turns.ratios(turns.ours), turns.ratios(turns.eager)
        figures = {"prefill_vs_transformers": prefill, "decode_vs_transformers": decode, "plain_decode_vs_transformers": plain}
        figures["decode_share_of_limit"] = limit / median(turns.ours)[1]
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
