"""A model that transformers itself computes, in this process, as an assistant."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from PIL import Image as Pillow

from chiasm.assistant import Answer, Assistant, Delta, Done, Event, FinishReason, Request, Usage, Verb
from chiasm.errors import BadPrompt, UnknownModel, UserError, need
from chiasm.pixels.open import Limits, Source, open_picture
from chiasm.prompt.messages import Message, Text, pictures_of


class LibraryAssistant(Assistant):
    """A folder read by transformers' auto classes, with no code of the folder's own. One request at a time, each answer whole;
    pictures count among an answer's `text_tokens`."""

    def __init__(self, folder: str, *, device: str = "auto", dtype: str = "auto", limits: Limits | None = None) -> None:
        library, torch = need("transformers", extra="transformers"), need("torch", extra="transformers")
        if not Path(folder).is_dir():
            raise UnknownModel(f"transformers:{folder}: there is no such folder; give one with config.json and its weights")
        place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        settings: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._processor = library.AutoProcessor.from_pretrained(folder, **settings)
            model = library.AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, **settings)
        except (OSError, ValueError, ImportError) as e:
            why = (str(e).strip().splitlines() or ["no reason given"])[0]
            raise UserError(f"transformers:{folder}: transformers cannot read it: {why}") from None
        self.name, self._torch, self._model = f"transformers:{folder}", torch, model.to(place).eval()
        self._limits, self._cancelled = limits or Limits(), set[int]()

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate"})

    def cancel(self, request: int) -> None:
        self._cancelled.add(request)

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        if not requests:
            raise BadPrompt("there is no request: give at least one conversation")
        self._cancelled = set()
        for number, request in enumerate(requests):
            answer = self._answer(request, number)
            if answer.text:
                yield Delta(number, answer.text)
            yield Done(number, answer)

    def _answer(self, request: Request, number: int) -> Answer:
        started = time.perf_counter()
        inputs = self._inputs(request)
        length, tokenizer = inputs["input_ids"].shape[1], self._processor.tokenizer
        if number in self._cancelled:
            return Answer("", Usage(0, length, 0), "cancelled", self.name)
        if request.sampling is not None and request.sampling.seed is not None:
            self._torch.manual_seed(request.sampling.seed)
        stops = {"stop_strings": list(request.stop), "tokenizer": tokenizer} if request.stop else {}
        with self._torch.inference_mode():
            made = self._model.generate(**inputs, max_new_tokens=request.max_tokens, **_chosen(request), **stops)
        ids = made[0, length:]
        text = tokenizer.decode(ids, skip_special_tokens=True)
        for stop in request.stop:
            text = text.partition(stop)[0]
        reason: FinishReason = "length" if len(ids) >= request.max_tokens else "stop"
        seconds = {"decode": time.perf_counter() - started}
        return Answer(text, Usage(0, length, len(ids)), reason, self.name, seconds)

    def _inputs(self, request: Request) -> Any:
        shown = [open_picture(cast(Source, picture), self._limits).pixels for picture in pictures_of(request.messages)]
        turns = [{"role": message.role, "content": _content(message)} for message in request.messages]
        text = self._processor.apply_chat_template(turns, add_generation_prompt=True)
        pictures = {"images": [Pillow.fromarray(pixels_HWC) for pixels_HWC in shown]} if shown else {}
        return self._processor(text=[text], return_tensors="pt", **pictures).to(self._model.device, self._model.dtype)


def _content(message: Message) -> list[dict[str, str]]:
    return [{"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"} for part in message.content]


def _chosen(request: Request) -> dict[str, Any]:
    """A way of sampling in transformers' words; none: the folder's own."""
    sampling = request.sampling
    if sampling is None:
        return {}
    penalty = {"repetition_penalty": sampling.repetition_penalty}
    if sampling.temperature == 0:
        return {"do_sample": False, **penalty}
    drawn = {"temperature": sampling.temperature, "top_k": sampling.top_k or 0, "top_p": sampling.top_p}
    return {"do_sample": True, **drawn, "min_p": sampling.min_p or None, **penalty}
