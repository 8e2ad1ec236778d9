"""Fills every generated block of the papers with what its command prints: python docs/refresh.py [--check] [FILE...].

A block begins with a comment that holds the command after a dollar sign, `<!-- $ chiasm families --markdown -->`, and ends
with `<!-- end -->`. A table is written as it is, anything else as a block of text. `--check` writes nothing and fails where
a block is out of date.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?P<head><!-- \$ (?P<command>[^\n]+?) -->\n)(?P<body>.*?)(?P<tail><!-- end -->)", re.DOTALL)
PROGRAMS = {"chiasm": ("-m", "chiasm.cli"), "python": ()}


def commands(text: str) -> list[str]:
    """The commands of a paper's generated blocks, in order."""
    return [found["command"] for found in BLOCK.finditer(text)]


def output(command: str) -> str:
    """What a command prints, from the root of the repository, by this very Python."""
    program, *words = shlex.split(command)
    run = subprocess.run([sys.executable, *PROGRAMS[program], *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{command} ended with {run.returncode}: {run.stderr.strip()}")
    return run.stdout.strip("\n")


def body(printed: str) -> str:
    """A block's content for what its command printed."""
    return f"\n{printed}\n\n" if printed.startswith("|") else f"\n```text\n{printed}\n```\n\n"


def refreshed(text: str) -> str:
    """A paper with all of its blocks filled anew."""
    return BLOCK.sub(lambda found: found["head"] + body(output(found["command"])) + found["tail"], text)


def papers() -> list[Path]:
    """The Markdown files that have generated blocks."""
    return [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")) if commands(path.read_text())]


def main(words: list[str]) -> int:
    stale = 0
    for path in [Path(word) for word in words if word != "--check"] or papers():
        old = path.read_text()
        new = refreshed(old)
        if new == old:
            continue
        stale += 1
        print(f"{path.name}: {'out of date' if '--check' in words else 'filled anew'}")
        if "--check" not in words:
            path.write_text(new)
    return int("--check" in words and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
