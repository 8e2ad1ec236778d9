"""A tiny folder in the published layout of every benchmark, with what is asked there and replies to it."""

from benchmark_folders.answers import ANSWERED
from benchmark_folders.letters import CHOSEN
from benchmark_folders.pictures import DESCRIBED
from benchmark_folders.videos import SEEN, WATCHED
from benchmark_folders.writing import SHOWN, Example, files, hub, png

__all__ = ["EXAMPLES", "SHOWN", "WATCHED", "Example", "files", "hub", "png"]

EXAMPLES = {**ANSWERED, **CHOSEN, **DESCRIBED, **SEEN}
