"""From conversations and the sizes of their pictures to a plan: the text side, by the model's own template and tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.place import Laid, canvases
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.draft import Draft, led, parted, stilled, unseen
from chiasm.prompt.encode import Encoded, Frame, encode, supervised
from chiasm.prompt.items import Item, in_text, lay
from chiasm.prompt.marks import expanded, written
from chiasm.prompt.messages import Image, Message, Number, numbered
from chiasm.prompt.pages import lettered, page_of
from chiasm.prompt.plan import Plan
from chiasm.prompt.spans import Rendered
from chiasm.prompt.spots import pointed, spots_in
from chiasm.prompt.streams import instruction, reads
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.spec import (
    PLAIN,
    AddByBox,
    Ahead,
    Alone,
    Always,
    BoxPlaces,
    Causal,
    Cross,
    Numbers,
    Seq2Seq,
    Splice,
    Told,
    Writer,
    Written,
)

HINTER = "qformer_tokenizer"
"""Where a model folder keeps the tokenizer of what its connector reads."""


@dataclass(frozen=True)
class Planner:
    """A model's spec with the tokenizer and template of its folder."""

    spec: Writer
    tokenizer: Tokenizer
    template: ChatTemplate
    hinter: Tokenizer | None = None
    """Of the text that a connector reads."""
    numbers: Numbers = PLAIN
    """How the model was shown several pictures."""
    stops: tuple[str, ...] = ()
    """Strings that end an answer beside the end of sequence: how the template opens the next turn."""

    @classmethod
    def from_folder(cls, spec: Writer, folder: Path, chat: str | None = None) -> Planner:
        """Reads tokenizer and template from a model folder; `chat` is the family's own template where it has none."""
        return cls(spec, Tokenizer.from_folder(folder), ChatTemplate.from_folder(folder, chat), hinter(folder))

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
        if isinstance(self.spec, Seq2Seq) and (told := self.spec.language.boxes) is not None:
            return self._read(told, self.spec.language.start, conversations, items, answer, names)
        if any(isinstance(part, Image) and part.words for messages in conversations for m in messages for part in m.content):
            raise BadPrompt("this model has no use for the words of a page: show it the picture alone")
        conversations = [pointed(self.spec, messages) for messages in conversations]
        spots = tuple(spots_in(conversations, items))
        shows = [sum(len(message.pictures) for message in messages) for messages in conversations]
        items = _beside(items, shows)
        _, laid, counts = lay(self.spec, items)
        texts, drafts = self._texts(laid, counts, [number for shown in shows for number in range(shown)]), []
        for messages, shown in zip(conversations, shows, strict=True):
            drafts.append(self.draft(messages, texts[:shown], counts[:shown], answer=answer))
            texts, counts = texts[shown:], counts[shown:]
        watched = None if answer else [draft.watched for draft in drafts]
        targets, hints = [draft.target for draft in drafts], [draft.hint for draft in drafts]
        return Plan.from_ids(
            self.spec, [draft.ids for draft in drafts], items, watched, names,
            targets=targets if isinstance(self.spec, Seq2Seq) else (), hints=hints if any(hints) else (), spots=spots,
        )  # fmt: skip

    def _read(
        self,
        told: BoxPlaces,
        start: int,
        conversations: Sequence[Sequence[Message]],
        items: Sequence[Item],
        answer: bool,
        names: Sequence[str],
    ) -> Plan:
        """Conversations about one page each, whose words and boxes they hold: a question stands before the words, and the last
        answer is the target."""
        rows, targets, watched = [], [], []
        for number, messages in enumerate(conversations):
            asked, said = (messages, None) if answer else parted(messages)
            page, question = page_of(number, asked, items)
            rows.append(lettered(self.tokenizer, page, question, told.closing))
            target = () if said is None else self.tokenizer.encode(said, framed=True)
            targets.append([start, *target])
            watched.append([False, *(True for _ in target)])
        ids, boxes = [row.ids for row in rows], [row.boxes for row in rows]
        return Plan.from_ids(self.spec, ids, items, None if answer else watched, names, targets=targets, boxes=boxes)

    def draft(
        self,
        messages: Sequence[Message],
        texts: Sequence[tuple[str, str]] = (),
        counts: Sequence[int] = (),
        *,
        answer: bool = True,
    ) -> Draft:
        """One conversation as the streams of a row; `texts` are what its pictures' placeholders become, `counts` how many
        visual tokens they have."""
        sight = self.spec.sight
        if isinstance(self.spec, Causal):
            encoded = self._led(self.encode(messages, texts, answer=answer), counts)
            return Draft(
                encoded.ids, supervised(encoded, led=self.template.led), hint=self._hint(messages, encoded.rendered, counts)
            )
        start = self.spec.language.start
        if sight is not None and isinstance(sight.fusion, Alone):
            # The template writes how a target begins, its first id among it.
            begun = encode(self._rendered(messages, texts, answer), self.tokenizer, Frame.NEVER)
            return Draft((), supervised(begun, led=self.template.led), begun.ids or (start,))
        asked, said = (messages, None) if answer else parted(messages)
        source = self._led(self.encode(asked, texts), counts)
        target = () if said is None else tuple(self.tokenizer.encode(said, framed=True))
        watched = [False, *(True for _ in target)]
        return Draft(source.ids, watched, (start, *target), self._hint(messages, source.rendered, counts))

    def numbered(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """A conversation whose pictures are told apart by numbers, as this model's authors write them.

        Raises `BadPrompt` where the template keeps no place beside each picture.
        """
        match self.numbers:
            case Always():
                return tuple(messages)
            case Written() as form:
                told = numbered(messages, form)
                if told != tuple(messages) and not self._apart(told):
                    raise BadPrompt(
                        "this model's template puts pictures elsewhere than where the conversation shows them, so no number "
                        "can stand beside each: ask without numbers"
                    )
                return told

    def _apart(self, told: Sequence[Message]) -> bool:
        """Whether each picture has its place in the text between its own number and the next one."""
        sight = self.spec.sight
        if sight is None or isinstance(sight.marks, Ahead) or isinstance(sight.fusion, Alone | AddByBox):
            return False
        rendered = self.template.render(told)
        numbers = [span for span in rendered.spans if isinstance(told[span.message].content[span.part], Number)]
        signs = {self.placeholder(kind) for kind in dict.fromkeys(image.kind for m in told for image in m.images)}
        starts = [span.end for span in numbers]
        between = zip(starts, [*(span.start for span in numbers[1:]), len(rendered.text)], strict=True)
        return all(sum(rendered.text[start:end].count(sign) for sign in signs) == 1 for start, end in between)

    def encode(self, messages: Sequence[Message], texts: Sequence[tuple[str, str]] = (), *, answer: bool = True) -> Encoded:
        """One conversation as ids; `texts` are what its pictures' placeholders become."""
        return encode(self._rendered(messages, texts, answer), self.tokenizer)

    def _rendered(self, messages: Sequence[Message], texts: Sequence[tuple[str, str]], answer: bool) -> Rendered:
        sight = self.spec.sight
        if sight is not None and (isinstance(sight.marks, Ahead) or isinstance(sight.fusion, Alone)):
            return self.template.render(unseen(messages), add_generation_prompt=answer)
        if sight is not None and isinstance(sight.fusion, Splice) and sight.fusion.video is None:
            messages = stilled(messages)
        rendered = self.template.render(messages, add_generation_prompt=answer)
        return expanded(rendered, texts, sight.marks) if texts and sight is not None else rendered

    def _led(self, encoded: Encoded, counts: Sequence[int]) -> Encoded:
        """With the placeholders of pictures that stand before the text."""
        sight = self.spec.sight
        if sight is None or not isinstance(sight.fusion, Splice) or not isinstance(sight.marks, Ahead):
            return encoded
        return led(encoded, sight.fusion.image, sum(counts))

    def _hint(self, messages: Sequence[Message], rendered: Rendered, counts: Sequence[int]) -> tuple[int, ...]:
        """What a connector reads with a row's pictures. Raises `BadPrompt` where its tokenizer is missing."""
        words = None if self.spec.sight is None else reads(self.spec.sight.connector)
        if not counts or words is None:
            return ()
        if self.hinter is None:
            raise BadPrompt(
                f"{self.tokenizer.origin} has no {HINTER}/tokenizer.json beside it, and this model's connector reads the text "
                "in ids of its own: add that folder"
            )
        heard = instruction(words.of, messages) if isinstance(words.of, Told) else rendered
        return encode(heard, self.hinter, Frame.ALWAYS).ids

    def placeholder(self, kind: Literal["image", "video"] = "image") -> str:
        """The control token whose id the model's fusion replaces by visual tokens."""
        assert self.spec.sight is not None and not isinstance(self.spec.sight.fusion, Alone | AddByBox)
        fusion = self.spec.sight.fusion
        wanted = fusion.image
        if kind == "video" and isinstance(fusion, Splice) and fusion.video is not None:
            wanted = fusion.video
        for token, number in self.tokenizer.added.items():
            if number == wanted:
                return token
        raise BadPrompt(f"{self.tokenizer.origin} has no token of the id {wanted}, which config.json names as the {kind}'s")

    def _texts(self, laid: Laid, counts: Sequence[int], numbers: Sequence[int]) -> list[tuple[str, str]]:
        """Each picture's placeholder and what it becomes; `numbers` are theirs in their conversations."""
        sight = self.spec.sight
        if not counts or sight is None or isinstance(sight.marks, Ahead) or isinstance(sight.fusion, Alone):
            return []
        texts, each = [], iter(laid.of_views())
        for views, number in zip(canvases(laid.grids), numbers, strict=True):
            placeholder, tokens = self.placeholder("video" if views[0].moves else "image"), [next(each) for _ in views]
            if isinstance(sight.fusion, Cross):
                # A picture that is asked outside of the sequence is one place in it, however many views it has.
                views, tokens = views[:1], [in_text(sight.fusion, sum(tokens))]
            texts.append((placeholder, written(sight.marks, placeholder, views, tokens, number)))
        return texts


def hinter(folder: Path) -> Tokenizer | None:
    """The tokenizer of the text that a connector reads, where a folder has one."""
    return Tokenizer.from_folder(folder / HINTER) if (folder / HINTER / "tokenizer.json").is_file() else None


def _beside(items: Sequence[Item], shows: Sequence[int]) -> list[Item]:
    """Items that know how many others their conversation shows."""
    counts = [count for count in shows for _ in range(count)]
    pairs = zip(items, counts, strict=True)
    return [replace(item, beside=count - 1) if isinstance(item, Size) else item for item, count in pairs]
