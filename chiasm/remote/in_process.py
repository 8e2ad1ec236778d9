"""A model that transformers itself computes, in this process, as an assistant."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pillow

from chiasm.assistant import Answer, Assistant, Delta, Done, Event, Extent, FinishReason, Request, Score, Usage, Verb
from chiasm.errors import BadPrompt, UnknownModel, Unsupported, UserError, need
from chiasm.generate.sampling import USUAL, Sampling
from chiasm.pixels.open import Limits
from chiasm.prompt.messages import Message, Text
from chiasm.prompt.stops import Stops
from chiasm.remote.call import asked, picture_of
from chiasm.remote.pieces import Pieces, Said
from chiasm.weights.device import device_of

HONOURED = (
    *("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "min_new_tokens"),
    *("stop_ids", "forbidden_ids"),
)
"""Fields of sampling that transformers has too."""


class LibraryAssistant(Assistant):
    """A folder read by transformers' auto classes, with no code of the folder's own. One request at a time; pictures count in
    an answer's `text_tokens`. Without a sampling the folder's own is used."""

    def __init__(self, folder: str, *, device: str = "auto", dtype: str = "auto", limits: Limits | None = None) -> None:
        library = need("transformers", extra="transformers")
        if not Path(folder).is_dir():
            raise UnknownModel(f"transformers:{folder}: there is no such folder; give one with config.json and its weights")
        place = device_of(device)
        settings: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._processor = library.AutoProcessor.from_pretrained(folder, **settings)
            model = library.AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, **settings)
        except (OSError, ValueError, ImportError) as e:
            raise UserError(f"transformers:{folder}: transformers cannot read it: {_first_line(e)}") from None
        self.name, self.folder, self.model = f"transformers:{folder}", Path(folder), model.to(place).eval()
        self._library = library
        self._limits, self._cancelled = limits or Limits(), set[int]()

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate", "score"})

    def cancel(self, request: int) -> None:
        self._cancelled.add(request)

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        if not requests:
            raise BadPrompt("there is no request: give at least one conversation")
        self._cancelled = set()
        for request in requests:
            asked(request.sampling or Sampling(), HONOURED, self.name)
        for number, request in enumerate(requests):
            yield from self._written(number, request, self._settings(request.sampling))

    def _written(self, number: int, request: Request, settings: dict[str, Any]) -> Iterator[Event]:
        started, inputs, pieces, halted = time.perf_counter(), self._inputs(request), Pieces(), threading.Event()
        said = Said(self._decoded, Stops(request.stop), self._ends(request.sampling))
        cancelled = self._cancelled

        def over(ids_BT: Any, *_: Any, **__: Any) -> Any:
            return torch.full((len(ids_BT),), halted.is_set(), dtype=torch.bool, device=ids_BT.device)

        def generate() -> None:
            # A thread has an inference mode of its own.
            with torch.inference_mode():
                self.model.generate(
                    **inputs, **settings, streamer=pieces, max_new_tokens=request.max_tokens or USUAL, stopping_criteria=[over]
                )

        try:
            for token in () if number in cancelled else pieces.of(generate):
                if number in cancelled or said.over:
                    halted.set()
                elif shown := said.hears(token):
                    yield Delta(number, shown)
        except ValueError as e:
            raise BadPrompt(f"{self.name}: transformers does not take this request: {_first_line(e)}") from None
        finally:
            halted.set()
        if rest := said.rest():
            yield Delta(number, rest)
        reason: FinishReason = "cancelled" if number in cancelled else "stop" if said.over else "length"
        usage = Usage(0, inputs["input_ids"].shape[1], len(said.ids))
        yield Done(number, Answer(said.text, usage, reason, self.name, {"decode": time.perf_counter() - started}))

    def score(self, request: Request, options: Sequence[str], extent: Extent = "complete") -> list[Score]:
        """An answer is complete where whatever ends generation comes next."""
        ends = sorted(self._ends(request.sampling)) if extent == "complete" else []
        if extent == "complete" and not ends:
            raise Unsupported("score complete answers: no token ends them, in its generation_config.json", self.name)
        inputs = self._inputs(request)
        return [self._scored(inputs, option, ends) for option in options]

    def _scored(self, inputs: Any, option: str, ends: Sequence[int]) -> Score:
        ids = self._processor.tokenizer(option, add_special_tokens=False)["input_ids"]
        if not ids:
            raise BadPrompt("an empty answer: there is nothing to score")
        length = inputs["input_ids"].shape[1]
        whole = {
            name: self._longer(name, value, ids) if value.shape == (1, length) else value for name, value in inputs.items()
        }
        with torch.inference_mode():
            logprobs_TS = self.model(**whole).logits[0, length - 1 :].float().log_softmax(-1)
        total = float(logprobs_TS[torch.arange(len(ids)), ids].sum())
        if ends:
            total += float(logprobs_TS[-1, list(ends)].logsumexp(-1))
        return Score(option, total, len(ids) + bool(ends))

    def _longer(self, name: str, value_1T: Any, ids: Sequence[int]) -> Any:
        """What is told of each token of the prompt, told of an answer's tokens too: that they are seen, and are plain text."""
        match name:
            case "input_ids":
                more = value_1T.new_tensor([list(ids)])
            case "attention_mask":
                more = value_1T.new_ones((1, len(ids)))
            case _:
                more = value_1T.new_zeros((1, len(ids)))
        return torch.cat([value_1T, more], 1)

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self._processor.tokenizer.decode(ids, skip_special_tokens=True))

    def _ends(self, sampling: Sampling | None) -> set[int]:
        """Whatever ends generation."""
        own = self.model.generation_config.eos_token_id
        several = own if isinstance(own, list) else [] if own is None else [own]
        return {*several, *(sampling.stop_ids if sampling is not None else ())}

    def _settings(self, sampling: Sampling | None) -> dict[str, Any]:
        """A way of sampling in transformers' words; none: the folder's own."""
        if sampling is None:
            return {}
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        common = {
            "repetition_penalty": sampling.repetition_penalty,
            "min_new_tokens": sampling.min_new_tokens or None,
            "suppress_tokens": list(sampling.forbidden_ids) or None,
            "eos_token_id": sorted(self._ends(sampling)) or None,
        }
        if sampling.temperature == 0:
            return {"do_sample": False, **common}
        drawn = {"temperature": sampling.temperature, "top_k": sampling.top_k or 0, "top_p": sampling.top_p}
        return {"do_sample": True, **drawn, "min_p": sampling.min_p or None, **common}

    def _inputs(self, request: Request) -> Any:
        shown = [picture_of(one, self.name, self._limits) for message in request.messages for one in message.content]
        pictures = [Pillow.fromarray(pixels_HWC) for pixels_HWC in shown if pixels_HWC is not None]
        turns = [{"role": message.role, "content": _content(message)} for message in request.messages]
        try:
            text = self._processor.apply_chat_template(turns, add_generation_prompt=True)
            given = {"images": pictures} if pictures else {}
            inputs = self._processor(text=[text], return_tensors="pt", **given)
        except (ValueError, TypeError) as e:
            raise BadPrompt(f"{self.name}: its processor does not take this request: {_first_line(e)}") from None
        return inputs.to(self.model.device, self.model.dtype)


def _content(message: Message) -> list[dict[str, str]]:
    return [{"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"} for part in message.content]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
