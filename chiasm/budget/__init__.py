"""What a request costs before it is made: tokens, work and memory from a spec and the sizes of pictures alone.

The counting is the plan's own (`chiasm.prompt.items.lay`), so a budget and the model that runs cannot disagree. `Rule`
is the field's folklore arithmetic, which knows no checkpoint.
"""

from chiasm.budget.cost import Budget, PictureCost, budget, picture_cost
from chiasm.budget.fit import Fit, Memory, Tokens, Within, fit
from chiasm.budget.fit_clips import ClipFit, fit_clip
from chiasm.budget.memory import BYTES, DType
from chiasm.budget.rule import Rounding, Rule, RuleCount
from chiasm.budget.work import Work, work

__all__ = [
    "BYTES",
    "Budget",
    "ClipFit",
    "DType",
    "Fit",
    "Memory",
    "PictureCost",
    "Rounding",
    "Rule",
    "RuleCount",
    "Tokens",
    "Within",
    "Work",
    "budget",
    "fit",
    "fit_clip",
    "picture_cost",
    "work",
]
