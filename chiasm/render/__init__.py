"""Pictures with exact truth, for training and evaluation."""

from chiasm.render.assets import Assets, assets, fetch
from chiasm.render.sample import KINDS, sample
from chiasm.render.truth import Letter, Question, Remark, Sample, Thing, Truth

__all__ = ["KINDS", "Assets", "Letter", "Question", "Remark", "Sample", "Thing", "Truth", "assets", "fetch", "sample"]
