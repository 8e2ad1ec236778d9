"""The command line: one verb a file, each a thin call into the library. A verb's file is imported when it is called.

Exit codes: 0 done; 1 a proof failed, a cache entry is damaged, or the reader of the output went away; 2 the user's
mistake, or what the system refuses (a full disk, a folder that may not be written), in one sentence on standard error;
130 stopped by Ctrl-C. `CHIASM_DEBUG=1` shows the traceback of a mistake too.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from chiasm import __version__
from chiasm.cli.numbers import exact
from chiasm.cli.piped import PIPED
from chiasm.errors import ChiasmError

MISTAKE, INTERRUPTED, CLOSED = 2, 130, 1
REFUSED = frozenset(
    (
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
        *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    )
)
"""Refusals of the system that have their cause outside of a command, wherever it meets them."""
VERBS = {
    "ask": "Ask a question about pictures, or about none.",
    "locate": "Find phrases in a picture.",
    "plan": "Say what pictures and text will cost before asking.",
    "compose": "Join an encoder, a connector and a language model.",
    "train": "Train as a recipe says.",
    "check": "Prove that models compute what their references compute.",
    "eval": "Ask models the questions of benchmarks, or your own.",
    "score": "Score answers that were written down again.",
    "compare": "Compare runs on the same questions.",
    "leaks": "Find what of an evaluation stands in training data.",
    "probe": "Draw what models are bad at, and how bad, as curves.",
    "families": "List the model families that Chiasm knows.",
    "convert": "Convert pickled or GGUF weights to safetensors.",
    "cache": "List, verify or remove what was fetched.",
    "env": "Show versions, processor and settings, for bug reports.",
}


def app() -> App:
    """The verbs."""
    chiasm = App(
        name="chiasm",
        help="Vision-language models over their whole life.",
        help_epilogue='Example:\n  chiasm ask sign.jpg "What does the sign say?"',
        help_format="plaintext",
        help_formatter="plain",
        version=__version__,
        result_action="return_value",
        default_parameter=Parameter(negative=(), converter=exact),
        suppress_keyboard_interrupt=False,
    )
    for verb, does in VERBS.items():
        chiasm.command(f"chiasm.cli.{verb}:app", name=verb, help=does)
    return chiasm


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    words = [PIPED if word == "-" else word for word in (sys.argv[1:] if words is None else words)]
    _streams()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        code = app()(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as e:
        verb = " ".join(("chiasm", *(word for word in words[:1] if word in VERBS)))
        return _mistake(f"{e} See: {verb} --help")
    except ChiasmError as e:
        if _debugging():
            raise
        return _mistake(str(e))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter would try to flush what nobody reads any more, and complain.
        _drop_output()
        return CLOSED
    except OSError as e:
        if e.errno not in REFUSED or _debugging():
            raise
        _drop_output()
        return _mistake(f"The system refuses {e.filename or 'the output'}: {e.strerror}.")
    return code if isinstance(code, int) else 0


def _streams() -> None:
    """Something to write to where there is nothing; and no character that the terminal lacks stops a command."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _debugging() -> bool:
    return os.environ.get("CHIASM_DEBUG", "") not in ("", "0")


def _mistake(sentence: str) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return MISTAKE
