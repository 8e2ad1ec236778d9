"""From conversations and the sizes of their pictures to a plan: the text side, by the model's own template and tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers

from chiasm.errors import BadCheckpoint, BadPrompt
from chiasm.place import Laid, canvases
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.encode import Encoded, encode, supervised
from chiasm.prompt.marks import expanded, written
from chiasm.prompt.messages import Message
from chiasm.prompt.plan import Item, Plan, in_text, lay
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import Causal, Cross, Splice


@dataclass(frozen=True)
class Planner:
    """A model's spec with the tokenizer and template of its folder."""

    spec: Causal
    tokenizer: Tokenizer
    template: ChatTemplate

    @classmethod
    def from_folder(cls, spec: Causal, folder: Path, chat: str | None = None) -> Planner:
        """Reads tokenizer and template from a model folder; `chat` is the family's own template where it has none."""
        return cls(spec, Tokenizer.from_folder(folder), ChatTemplate.from_folder(folder, chat))

    def plan(
        self,
        conversations: Sequence[Sequence[Message]],
        items: Sequence[Item] = (),
        *,
        answer: bool = True,
        names: Sequence[str] = (),
    ) -> Plan:
        """Conversations become rows, their pictures taken from `items` in order of writing.

        `answer`: the row ends where the assistant is to speak; otherwise the assistant's own words are what may be trained
        on. Raises `BadPrompt` where pictures and conversations disagree, `Overflow` beyond the context.
        """
        marked = sum(len(m.pictures) for messages in conversations for m in messages)
        if marked != len(items):
            raise BadPrompt(f"the conversations show {marked} pictures and {len(items)} were given")
        _, laid, counts = lay(self.spec, items)
        texts = self._texts(laid, counts)
        encoded = []
        for messages in conversations:
            shown = sum(len(message.pictures) for message in messages)
            encoded.append(self.encode(messages, texts[:shown], answer=answer))
            texts = texts[shown:]
        watched = None if answer else [supervised(row) for row in encoded]
        return Plan.from_ids(self.spec, [row.ids for row in encoded], items, watched, names)

    def encode(self, messages: Sequence[Message], texts: Sequence[str] = (), *, answer: bool = True) -> Encoded:
        """One conversation as ids; `texts` are what its pictures' placeholders become."""
        rendered = self.template.render(messages, add_generation_prompt=answer)
        if texts:
            rendered = expanded(rendered, self.placeholder(), texts, self.spec.sight.marks if self.spec.sight else None)
        return encode(rendered, self.tokenizer)

    def placeholder(self) -> str:
        """The control token whose id the model's fusion replaces by visual tokens."""
        assert self.spec.sight is not None and isinstance(self.spec.sight.fusion, Splice)
        wanted = self.spec.sight.fusion.image
        for token, number in self.tokenizer.added.items():
            if number == wanted:
                return token
        raise BadPrompt(f"{self.tokenizer.origin} has no token of the id {wanted}, which config.json names as the image's")

    def _texts(self, laid: Laid, counts: Sequence[int]) -> list[str]:
        if not counts or self.spec.sight is None:
            return []
        placeholder, sight = self.placeholder(), self.spec.sight
        texts = []
        for views, count in zip(canvases(laid.grids), counts, strict=True):
            # A picture that is asked outside of the sequence is one place in it, however many views it has.
            shown = views[:1] if isinstance(sight.fusion, Cross) else views
            texts.append(written(sight.marks, placeholder, shown, in_text(sight.fusion, count)))
        return texts


def seeing(tokenizer: Tokenizer, token: str, number: int) -> Tokenizer:
    """A tokenizer of text alone that also knows a picture's placeholder, by an id that the model kept for it.

    Raises `BadCheckpoint` where the vocabulary would give the token another id.
    """
    backend = tokenizers.Tokenizer.from_str(tokenizer.backend.to_str())
    backend.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False)])
    if backend.token_to_id(token) != number:
        message = f"{tokenizer.origin} gives {token!r} the id {backend.token_to_id(token)}, and the model expects {number}"
        raise BadCheckpoint(message)
    return Tokenizer(backend, {**tokenizer.special, "image_token": token}, clean_up=tokenizer.clean_up, origin=tokenizer.origin)
