"""From a conversation to the text that a model was trained on, with each character's author known.

A chat template is Jinja source that a checkpoint brings along. To know afterwards which characters a person wrote, the
template is rendered twice: as it is, and with unguessable marks around every text. The marks must come out in pairs and
leave, once removed, exactly the plain rendering; then their places are the spans. Nothing is ever searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import jinja2

from chiasm.errors import BadCheckpoint, BadPrompt, UserError
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.sandbox import Exhausted, TemplateEnvironment, limited
from chiasm.prompt.spans import Marks, Refusal, Rendered, marked_widths
from chiasm.prompt.tokenizer_files import special_tokens
from chiasm.weights.json_files import read_json

TEMPLATE_LIMIT = 1_000_000


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template and the special tokens that it may name.

    `source` is the Jinja text, or None where neither the folder nor the family has one (then rendering says so);
    `origin` says where it comes from, for messages to people.
    """

    source: str | None
    origin: str
    special: Mapping[str, str] = field(default_factory=dict)
    added: Sequence[str] = ()
    """Tokens beside the plain vocabulary, which a family's own template may ask for as `added_tokens`: they tell what a
    folder's model was taught, where its config does not."""

    @classmethod
    def from_folder(cls, folder: Path | str, fallback: str | None = None) -> ChatTemplate:
        """The template of a model folder: chat_template.jinja, else the processor's (chat_template.json,
        processor_config.json), else tokenizer_config.json's (the one named "default" of several), else `fallback`, the
        family's own Jinja text. Raises `BadCheckpoint` for a file that cannot be read."""
        folder = Path(folder)
        special = special_tokens(folder)
        for name in ("chat_template.jinja", "chat_template.json", "processor_config.json", "tokenizer_config.json"):
            source = _template_in(folder / name)
            if source is not None:
                return cls(source, str(folder / name), special)
        return cls(fallback, str(folder) if fallback is None else "the family's own", special)

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> Rendered:
        """Renders a conversation exactly as transformers' `apply_chat_template` does.

        Messages are handed over as lists of parts; where the template cannot read those (it prints or drops them),
        messages of text alone are handed over as strings. A part that no form brings out is an error, not a loss.

        Raises `BadPrompt` if the template refuses the conversation, drops or rewrites a part, or goes over the
        sandbox's limits, and `BadCheckpoint` if there is no template or it is not Jinja.
        """
        if not messages:
            raise BadPrompt("The conversation is empty: give at least one message.")
        if self.source is None:
            raise BadCheckpoint(
                f"{self.origin} has no chat template: add a chat_template.jinja, or name a family that brings its own."
            )
        template = _compiled(self.source, self.origin)

        def run(conversation: list[dict[str, object]]) -> str:
            return _run(template, self.origin, {
                "messages": conversation, "tools": None, "documents": None,
                "add_generation_prompt": add_generation_prompt, "added_tokens": list(self.added), **self.special,
            })  # fmt: skip

        refusals: list[Refusal] = []
        for as_string in _forms(messages):
            for whole in marked_widths(messages):
                marks = Marks(messages, whole)
                try:
                    plain = run([_message(m, as_string(m), lambda part, text: text, {}) for m in messages])
                    marked = run([_message(m, as_string(m), marks.around(i), marks.extra) for i, m in enumerate(messages)])
                    return Rendered(plain, marks.spans(marked, plain), tuple(messages))
                except Refusal as refusal:
                    refusals.append(refusal)
        worst = min(refusals, key=lambda refusal: refusal.rank)
        raise BadPrompt(f"The chat template ({self.origin}) does not take this conversation: {worst}")

    @cached_property
    def led(self) -> int:
        """How many characters of whitespace stand before an answer and not at the end of the prompt of one: they are the
        model's to say."""
        asked = (Message("user", (Text("a"),)), Message("assistant", (Text("b"),)))
        try:
            prompt, whole = self.render(asked[:1], add_generation_prompt=True).text, self.render(asked)
        except UserError:
            return 0
        between = whole.text[len(prompt) : whole.spans[-1].start]
        return len(between) if whole.text.startswith(prompt) and between.isspace() else 0


def _template_in(file: Path) -> str | None:
    if not file.is_file():
        return None
    if file.suffix == ".jinja":
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise BadCheckpoint(f"{file} is not UTF-8 text; a chat template was expected.") from None
    found = read_json(file).get("chat_template")
    if isinstance(found, list):
        found = {one["name"]: one["template"] for one in found if isinstance(one, dict) and {"name", "template"} <= one.keys()}
    if isinstance(found, dict):
        if "default" not in found:
            raise BadCheckpoint(f"{file} names the chat templates {sorted(found)}, and none of them is 'default'.")
        found = found["default"]
    if found is not None and not isinstance(found, str):
        raise BadCheckpoint(f"{file}: chat_template is {type(found).__name__}; expected Jinja text.")
    return found


@lru_cache(maxsize=64)
def _compiled(source: str, origin: str) -> jinja2.Template:
    if len(source) > TEMPLATE_LIMIT:
        raise BadCheckpoint(f"The chat template ({origin}) has {len(source):,} characters; the most is {TEMPLATE_LIMIT:,}.")
    try:
        with limited():
            return TemplateEnvironment().from_string(source)
    except jinja2.TemplateSyntaxError as e:
        raise BadCheckpoint(f"The chat template ({origin}), line {e.lineno}, is not valid Jinja: {e.message}") from None
    except Exhausted as e:
        raise BadCheckpoint(f"The chat template ({origin}) is too much work to read: {e}.") from None


def _run(template: jinja2.Template, origin: str, variables: dict[str, object]) -> str:
    try:
        with limited():
            return template.render(variables)
    except Exhausted as e:
        raise BadPrompt(f"The chat template ({origin}) was stopped: {e}.") from None
    except jinja2.UndefinedError as e:
        raise Refusal(3, f"it asks for something that is not there ({str(e.message)[:200]}).") from None
    except jinja2.TemplateError as e:
        raise Refusal(0, f"it says: {str(e.message)[:300]}") from None
    except Exception as e:  # whatever a template's own arithmetic or slicing raises
        raise Refusal(4, f"it fails with {type(e).__name__}.") from None


def _forms(messages: Sequence[Message]) -> Iterator[Callable[[Message], bool]]:
    """The ways to hand messages over, by which of them become strings; first none, then all that can."""

    def of_text(message: Message) -> bool:
        return all(isinstance(part, Text) for part in message.content)

    yield lambda message: False
    if any(of_text(message) for message in messages):
        yield of_text
    if any(of_text(message) and message.role == "system" for message in messages):
        yield lambda message: of_text(message) and message.role == "system"


def _message(message: Message, as_string: bool, written: Callable[[int, str], str], extra: dict[str, str]) -> dict[str, object]:
    texts = [written(k, part.text) if isinstance(part, Text) else None for k, part in enumerate(message.content)]
    if as_string:
        return {"role": message.role, "content": "\n".join(text for text in texts if text is not None)}
    parts = [
        {"type": part.kind} | extra if isinstance(part, Image) else {"type": "text", "text": text or ""} | extra
        for part, text in zip(message.content, texts, strict=True)
    ]
    return {"role": message.role, "content": parts}
