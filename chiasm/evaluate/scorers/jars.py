"""The two Java programs of the COCO caption tools, run as they are: exact PTB tokens and METEOR 1.5.

They come with the package `pycocoevalcap` and are no part of Chiasm: Stanford CoreNLP 3.4.1 is under the GPL, METEOR under the
LGPL. Neither is loaded into this process.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from chiasm.errors import UserError
from chiasm.evaluate.scorers.captions import Scored
from chiasm.evaluate.scorers.grams import Corpus

ABSENT = (
    "METEOR and exact PTB tokens need Java and the package pycocoevalcap, which are not both here: install a Java runtime and "
    "`pip install 'chiasm[captions]'`"
)
_TOKENIZER, _METEOR = "tokenizer/stanford-corenlp-3.4.1.jar", "meteor/meteor-1.5.jar"


def found() -> bool:
    """Whether both programs and Java are here."""
    return find_spec("pycocoevalcap") is not None and which("java") is not None


def _jar(name: str) -> Path:
    spec = find_spec("pycocoevalcap")
    if spec is None or not spec.submodule_search_locations or which("java") is None:
        raise UserError(ABSENT)
    return Path(spec.submodule_search_locations[0]) / name


def tokens(texts: Sequence[str]) -> list[str]:
    """Each text as CoreNLP's PTB tokens in lower case, with a space between two. Line breaks count as spaces; of a text with
    another mark that ends a line for CoreNLP (a form feed, say) only the first line is kept, as the COCO tools keep it."""
    lines = _lines(texts)
    return lines if len(lines) == len(texts) else [_lines([text])[0] for text in texts]


def _lines(texts: Sequence[str]) -> list[str]:
    jar = _jar(_TOKENIZER)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt", newline="") as file:
        file.write("\n".join(text.replace("\n", " ") for text in texts))
        file.flush()
        command = ["java", "-Dfile.encoding=UTF-8", "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines",
                   "-lowerCase", file.name]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=True)
    return [line.rstrip() for line in done.stdout.decode().split("\n")]


def meteor(corpora: Sequence[Corpus]) -> list[Scored]:
    """METEOR 1.5 of tokenised captions, English, normalised, as pycocoevalcap asks for it; the program takes seconds to start,
    so it is started once."""
    jar = _jar(_METEOR)
    command = ["java", "-jar", "-Xmx2G", jar.name, "-", "-", "-stdio", "-l", "en", "-norm"]
    with subprocess.Popen(
        command, cwd=jar.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        encoding="utf-8",
    ) as program:  # fmt: skip
        told, heard = program.stdin, program.stdout
        assert told is not None and heard is not None

        def ask(words: Sequence[str], answers: int) -> list[str]:
            told.write(" ||| ".join(words) + "\n")
            told.flush()
            return [heard.readline().strip() for _ in range(answers)]

        found = []
        for corpus in corpora:
            statistics = []
            for said, several in zip(corpus.said, corpus.true, strict=True):
                statistics += ask(("SCORE", *several, said.replace("|||", "").replace("  ", " ")), 1)
            *each, whole = map(float, ask(("EVAL", *statistics), len(statistics) + 1))
            found.append(Scored(whole, tuple(each)))
        told.close()
    return found
