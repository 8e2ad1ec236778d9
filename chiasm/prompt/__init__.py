"""The prompt room: messages, chat templates, tokenizers. Text only; no torch, no pictures opened."""

from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.detokenize import Detokenizer
from chiasm.prompt.encode import Encoded, Frame, encode, supervised
from chiasm.prompt.messages import Image, Message, Part, Text, pictures_of, question, read_messages
from chiasm.prompt.spans import Rendered, Span
from chiasm.prompt.tokenizer import Tokenizer

__all__ = [
    "ChatTemplate",
    "Detokenizer",
    "Encoded",
    "Frame",
    "Image",
    "Message",
    "Part",
    "Rendered",
    "Span",
    "Text",
    "Tokenizer",
    "encode",
    "pictures_of",
    "question",
    "read_messages",
    "supervised",
]
