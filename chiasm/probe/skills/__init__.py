"""Every skill that is probed, a file for each kind."""

from chiasm.errors import UserError
from chiasm.probe.skill import Skill
from chiasm.probe.skills import absent, charts, comparing, counting, figures, places, reading

SKILLS: tuple[Skill, ...] = (
    *counting.SKILLS,
    *places.SKILLS,
    *reading.SKILLS,
    *charts.SKILLS,
    *figures.SKILLS,
    *comparing.SKILLS,
    *absent.SKILLS,
)


def find(names: tuple[str, ...]) -> tuple[Skill, ...]:
    """Skills by name, all without one. Raises `UserError` for a name that none has."""
    known = {skill.name: skill for skill in SKILLS}
    for name in names:
        if name not in known:
            raise UserError(f"no skill is called {name!r}: known are {', '.join(known)}")
    return tuple(known[name] for name in names) or SKILLS
