"""How fast SmolLM2-135M, and one vision-language model around it, read and write: against transformers and the machine.

Both sides run in turns, in bf16 under inference_mode with the same threads, ids and greedy tokens; medians count. Ours is
the public `generate` with its events and log-probabilities, theirs a bare loop over forward and argmax with sdpa, the
default cache and logits of the last position alone. The machine's limits are measured in the same turns: this model's own
products at 512 rows, as we run them and nothing else; and reading as many bytes as one token needs. Decoding is measured
as `load` gives it (compiled, where a C compiler is there) and in eager mode. Ends with exit code 3, having measured nothing,
where the load average is above 1.0 (--force measures and warns).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from chiasm.generate.engine import Token, generate
from chiasm.generate.flat_row import FlatRow
from chiasm.generate.ready import ready
from chiasm.generate.sampling import Sampling
from chiasm.geometry import Size
from chiasm.layers import cpu
from chiasm.layers.linear import Packed
from chiasm.loading import load
from chiasm.model import Batch, Causal
from chiasm.pixels.views import look, packed
from chiasm.prompt.plan import Plan
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.weights.folders import smollm2_folder
from chiasm.weights.read import describe, load_model

PROMPT, ANSWER, SIDE, IMAGE = 512, 48, 512, 16
"""Tokens read and written; a picture's side in pixels; an id of SmolLM2 that no text has, for the picture's place."""

Times = tuple[float, float]
"""Seconds until the first token, and seconds per token after it."""


@dataclass
class Turns:
    """Times of one case on both sides, turn by turn."""

    ours: list[Times] = field(default_factory=list)
    eager: list[Times] = field(default_factory=list)
    theirs: list[Times] = field(default_factory=list)

    def ratios(self, side: list[Times]) -> Times:
        """How many times as fast as theirs a side is; turns are compared one by one, so that load hits both."""
        pairs = list(zip(side, self.theirs, strict=True))
        first, later = (statistics.median(theirs[n] / ours[n] for ours, theirs in pairs) for n in (0, 1))
        return first, later


def median(times: list[Times]) -> Times:
    first, later = (statistics.median(column) for column in zip(*times, strict=True))
    return first, later


def clocked(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def run_ours(model: Causal, batch: Batch, count: int) -> tuple[Times, list[int]]:
    started, ids, first = time.perf_counter(), [], 0.0
    for event in generate(model, batch, Sampling(max_new_tokens=count)):
        if isinstance(event, Token):
            first = first or time.perf_counter() - started
            ids.append(event.id)
    return (first, (time.perf_counter() - started - first) / (count - 1)), ids


@torch.inference_mode()
def run_theirs(model: Any, inputs: dict[str, torch.Tensor], count: int) -> tuple[Times, list[int]]:
    started = time.perf_counter()
    out = model(**inputs, use_cache=True, logits_to_keep=1)
    ids = [out.logits[:, -1].argmax(-1)]
    first = time.perf_counter() - started
    for _ in range(count - 1):
        out = model(input_ids=ids[-1][:, None], past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
        ids.append(out.logits[:, -1].argmax(-1))
    return (first, (time.perf_counter() - started - first) / (count - 1)), torch.cat(ids).tolist()


def counting(folder: Path, length: int) -> list[int]:
    """Numbers in a row: a text whose next token is never in doubt, so that no rounding decides."""
    ids = Tokenizer.from_folder(folder).encode("".join(f"{number}, " for number in range(1, length)))
    return ids[:length]


def text_case(folder: Path) -> tuple[Causal, Batch, Any, dict[str, torch.Tensor]]:
    """SmolLM2-135M and a prompt, on both sides."""
    from transformers import AutoModelForCausalLM

    ours = load(str(folder), dtype="bfloat16").model
    assert isinstance(ours, Causal)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval()
    ids = counting(folder, PROMPT)
    return ours, Plan.from_ids(ours.spec, [ids]).batch(), theirs, {"input_ids": torch.tensor([ids])}


def eager_model(folder: Path) -> Causal:
    """SmolLM2-135M by torch's own operations alone, as on a machine without a C compiler."""
    os.environ["CHIASM_COMPILE"] = "0"
    model = load(str(folder), dtype="bfloat16").model
    del os.environ["CHIASM_COMPILE"]
    assert isinstance(model, Causal) and isinstance(model.language.one_row, FlatRow)
    return model


def picture_case(folder: Path, scratch: Path) -> tuple[Causal, Batch, Any, dict[str, torch.Tensor]]:
    """SmolVLM-256M's shape: a random SigLIP-base (512 pixels, patch 16, 4 x 4 shuffle) before SmolLM2-135M's own weights."""
    from transformers import AutoModelForCausalLM, Idefics3Config, Idefics3ForConditionalGeneration

    text = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    vision = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    vision |= {"image_size": SIDE, "patch_size": 16}
    config = Idefics3Config(
        vision_config=vision, text_config=text.config.to_dict(), image_token_id=IMAGE, scale_factor=4,
        tie_word_embeddings=True, attn_implementation="sdpa",
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = Idefics3ForConditionalGeneration(config).to(torch.bfloat16).eval()
    theirs.model.text_model.load_state_dict(text.model.state_dict())
    theirs.tie_weights()
    theirs.save_pretrained(scratch)
    settings = {"size": {"longest_edge": SIDE}, "max_image_size": {"longest_edge": SIDE}, "do_image_splitting": False}
    (scratch / "preprocessor_config.json").write_text(json.dumps(settings))
    described = describe(scratch)
    ours = load_model(described, torch.bfloat16)
    assert isinstance(ours, Causal) and ours.spec.sight is not None
    ready(ours)
    picture = torch.randint(0, 256, (SIDE, SIDE, 3), dtype=torch.uint8)
    ids = [IMAGE] * (SIDE // 64) ** 2 + counting(folder, PROMPT // 4)
    patches = torch.from_numpy(packed(look(ours.spec.sight, picture.numpy(), 0)))
    batch = Plan.from_ids(ours.spec, [ids], [Size(SIDE, SIDE)]).batch(patches)
    pixels = (picture.permute(2, 0, 1)[None, None] / 127.5 - 1).to(torch.bfloat16)
    return ours, batch, theirs, {"input_ids": torch.tensor([ids]), "pixel_values": pixels}


def products(model: Causal, rows: int) -> Callable[[], None]:
    """Every product that reading `rows` tokens takes, and nothing between them."""
    parts = [part for part in model.language.modules() if isinstance(part, Packed)]
    inputs = {width: torch.randn(rows, width).to(torch.bfloat16) for width in {part.width for part in parts}}
    last = inputs[model.spec.decoder.width][:1]

    @torch.inference_mode()
    def run() -> None:
        for part in parts:
            part(inputs[part.width])
        model.logits(last)

    return run


def reading(model: Causal) -> Callable[[], None]:
    """Reads as many bytes as the weights of one token's products have."""
    block, decoder = model.spec.decoder.block, model.spec.decoder
    attention = block.width * block.head_width * (2 * block.heads + 2 * block.kv_heads)
    count = decoder.depth * (attention + 3 * block.width * block.mlp_width) + decoder.vocab * decoder.width
    memory = torch.ones(2 * count // 8, dtype=torch.int64)
    return lambda: memory.sum().item()  # type: ignore[return-value]


def load_seconds(folder: Path) -> float:
    """From `load` to where a forward is possible, imports apart: the first time in this process."""
    return clocked(lambda: load(str(folder), dtype="bfloat16"))


def conversion_seconds() -> float:
    """What turning the published file into a model folder takes, once fetched, in a cache of its own."""
    from chiasm.weights.gguf import convert_gguf
    from chiasm.weights.sources import SMOLLM2, fetch

    with tempfile.TemporaryDirectory() as home:
        os.environ["CHIASM_HOME"] = home
        fetched = fetch(SMOLLM2, None)
        return clocked(lambda: convert_gguf(fetched, Path(home) / "converted"))


def alternate(
    case: tuple[Causal, Batch, Any, dict[str, torch.Tensor]],
    runs: int,
    count: int,
    eager: Causal | None = None,
    besides: Callable[[], None] = lambda: None,
) -> Turns:
    """All sides in turns after one to warm up, and `besides` in each; ends the program where their tokens differ."""
    ours, batch, theirs, inputs = case
    turns = Turns()
    for turn in range(runs + 1):
        mine, said = run_ours(ours, batch, count)
        other, expected = run_theirs(theirs, inputs, count)
        plain, plainly = run_ours(eager or ours, batch, count)
        if not said == plainly == expected:
            raise SystemExit(f"the sides disagree: {said} and {plainly} in eager mode, {expected} expected")
        if turn:
            turns.ours.append(mine)
            turns.eager.append(plain)
            turns.theirs.append(other)
            besides()
    return turns


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--runs", type=int, default=7, help="turns per side, at least 7")
    parser.add_argument("--force", action="store_true", help="measure on a loaded machine too")
    parser.add_argument("--convert", action="store_true", help="also time the first conversion (fetches 80 MB)")
    asked = parser.parse_args()
    busy = os.getloadavg()[0]
    print(f"load average {busy:.2f}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    if busy > 1.0 and not asked.force:
        print("the machine is busy: times would mean little (--force measures all the same)", file=sys.stderr)
        return 3
    if busy > 1.0:
        print("WARNING: above 1.0, so these figures are no measurement of this machine", file=sys.stderr)
    runs, folder = max(7, asked.runs), smollm2_folder()
    compiling = clocked(cpu.program)
    loading = load_seconds(folder)
    case = text_case(folder)
    matrices, memory = products(case[0], PROMPT), reading(case[0])
    matrices(), memory()
    limits: list[Times] = []
    text = alternate(
        case, runs, ANSWER, eager_model(folder), lambda: limits.append((clocked(matrices), min(map(clocked, [memory] * 3))))
    )
    (matrix, byte), theirs = median(limits), median(text.theirs)
    print(f"{'SmolLM2-135M, tokens/s':28}{'ours':>10}{'theirs':>10}{'ratio':>8}{'limit':>10}{'share':>8}")
    rows = (("prefill of 512", 0, PROMPT, text.ours, matrix), ("decode", 1, 1, text.ours, byte))
    plainly = (("prefill, eager", 0, PROMPT, text.eager, matrix), ("decode, eager", 1, 1, text.eager, byte))
    for name, n, tokens, side, limit in rows + plainly:
        mine, ratio = median(side)[n], text.ratios(side)[n]
        print(f"{name:28}{tokens / mine:10.1f}{tokens / theirs[n]:10.1f}{ratio:8.2f}{tokens / limit:10.1f}{limit / mine:8.2f}")
    with tempfile.TemporaryDirectory() as scratch:
        seeing = alternate(picture_case(folder, Path(scratch)), runs, ANSWER // 2)
    mine_v, other_v, ratio_v = median(seeing.ours), median(seeing.theirs), seeing.ratios(seeing.ours)
    print(f"{'picture + 128 tokens, s':28}{mine_v[0]:10.3f}{other_v[0]:10.3f}{ratio_v[0]:8.2f}")
    print(f"{'then decode, tokens/s':28}{1 / mine_v[1]:10.1f}{1 / other_v[1]:10.1f}{ratio_v[1]:8.2f}")
    print(f"load {loading:.2f} s (compiling, once a machine: {compiling:.2f} s); load average {os.getloadavg()[0]:.2f}")
    if asked.convert:
        print(f"first conversion, s: {conversion_seconds():.2f}")
    if asked.json:
        figures = {
            "prefill_vs_transformers": text.ratios(text.ours)[0],
            "decode_vs_transformers": text.ratios(text.ours)[1],
            "eager_decode_vs_transformers": text.ratios(text.eager)[1],
            "prefill_share_of_limit": matrix / median(text.ours)[0],
            "decode_share_of_limit": byte / median(text.ours)[1],
            "load_seconds": loading,
        }
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
