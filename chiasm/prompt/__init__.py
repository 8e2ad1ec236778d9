"""The prompt room: messages, chat templates, tokenizers. Text only; no torch, no pictures opened."""

from .chat import ChatTemplate, Rendered, Span
from .detokenize import Detokenizer
from .encode import Encoded, Frame, encode, supervised
from .messages import Image, Message, Part, Text, pictures_of, question, read_messages
from .tokenizer import Tokenizer

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
