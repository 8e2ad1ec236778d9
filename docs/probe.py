"""Makes the default model's page of probes and its small picture anew: python docs/probe.py [--limit N].

Runs `chiasm probe skills default`, then puts docs/probes-default.html and docs/probes-default.svg beside the papers. A stopped
run goes on; answers are kept in runs/docs-probe. Where both together are larger than they may be, nothing is written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "docs-probe"
MOST = 1_500_000
"""Bytes of both together."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--limit", type=int, default=50, help="pictures a level (default 50)")
    limit = str(parser.parse_args().limit)
    command = [sys.executable, "-m", "chiasm.cli", "probe", "skills", "default", "--limit", limit, "--output", str(RUNS)]
    subprocess.run(command, cwd=ROOT, check=True)
    files = {"html": RUNS / "default" / "page.html", "svg": RUNS / "default" / "curves.svg"}
    made = {ending: file.read_bytes() for ending, file in files.items()}
    size = sum(map(len, made.values()))
    if size > MOST:
        print(f"page and picture are {size} bytes together, and {MOST} may stand in docs", file=sys.stderr)
        return 1
    for ending, content in made.items():
        (ROOT / "docs" / f"probes-default.{ending}").write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
