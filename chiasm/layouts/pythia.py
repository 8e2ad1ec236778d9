"""Folders of Pythia, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Layout
from chiasm.towers.neox import read

LAYOUTS = (Layout("gpt_neox", read),)
