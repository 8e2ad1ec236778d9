"""Where chat templates run: the same Jinja as transformers', with a limit on work, on time and on size.

A checkpoint's template is somebody else's program. Jinja's sandbox keeps it from reaching Python, but not from looping
for hours or from asking for terabytes. Three limits close that here:

- work and time: a trace function counts every line that the template and Jinja's own filters execute, and looks at the
  thread's clock (processor time, so that a loaded machine refuses nothing); a loop, a recursion or a chain of
  generators ends after `STEPS` lines or `SECONDS`;
- operands: each value that an operator, a filter, a method or an output statement is about to read is weighed as if
  written out in full (nested lists that repeat one string weigh what they would print) and refused above `SIZE`;
- growth: the few operations whose result can be much larger than their operands (repetition, powers, padding,
  `replace`, `join`, formatting) are checked before they run.

What is written out in all is limited to `SIZE` characters as well.
"""

from chiasm.prompt.sandbox.environment import TemplateEnvironment
from chiasm.prompt.sandbox.limits import Exhausted, limited

__all__ = ["Exhausted", "TemplateEnvironment", "limited"]
