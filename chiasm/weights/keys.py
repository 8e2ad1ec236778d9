"""Checkpoint names to parameter names and back, by the rules of a layout."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from chiasm.layout import Form, Fused, Ignored, Name, Reshaped, Respelt, Rule, Shared


@dataclass(frozen=True)
class Piece:
    """One of our tensors as a part of one of theirs: `part` of `shares` along the first axis, of each of its `groups`; the
    whole if there is one."""

    theirs: str
    part: int = 0
    shares: tuple[int, ...] = (1,)
    form: Form | None = None
    groups: int = 1

    def cut(self, whole: Tensor) -> Tensor:
        """Our tensor out of theirs, in our shape."""
        if len(self.shares) > 1:
            runs = whole.unflatten(0, (self.groups, -1))
            unit = runs.shape[1] // sum(self.shares)
            whole = runs.split([share * unit for share in self.shares], 1)[self.part].flatten(0, 1)
        return whole if self.form is None else formed(whole, self.form)


def formed(theirs: Tensor, form: Form) -> Tensor:
    """Their tensor in our shape. Raises `RuntimeError` where the numbers do not fill the axes."""
    return theirs.reshape(form.split).permute(form.order).reshape(form.ours)


def unformed(ours: Tensor, form: Form) -> Tensor:
    """The inverse of `formed`."""
    known = [size for size in form.split if size != -1]
    split = [ours.numel() // math.prod(known) if size == -1 else size for size in form.split]
    back = sorted(range(len(form.order)), key=form.order.__getitem__)
    return ours.reshape([split[axis] for axis in form.order]).permute(back).reshape(form.theirs)


def respelt(names: Iterable[str], rules: tuple[Rule, ...]) -> dict[str, str]:
    """Names as a file has them -> names as the layout knows them; the layout's spellings apply one after the other."""
    spellings = [rule for rule in rules if isinstance(rule, Respelt)]
    canon = {}
    for name in names:
        known = name
        for rule in spellings:
            if known.startswith(rule.old):
                known = rule.new + known[len(rule.old) :]
        canon[name] = known
    return canon


def pieces(names: Iterable[str], rules: tuple[Rule, ...]) -> tuple[dict[str, Piece], list[str]]:
    """For names of theirs: each of ours with the piece that it is; and the names that no rule speaks of."""
    found: dict[str, Piece] = {}
    unknown = []
    for name in names:
        for rule in rules:
            match rule:
                case Name(theirs, ours) if (fill := _matches(theirs, name)) is not None:
                    found[_filled(ours, fill)] = Piece(name)
                    break
                case Reshaped(theirs, ours, form) if (fill := _matches(theirs, name)) is not None:
                    found[_filled(ours, fill)] = Piece(name, form=form)
                    break
                case Fused(theirs, parts, shares, forms, groups) if (fill := _matches(theirs, name)) is not None:
                    for number, ours in enumerate(parts):
                        shaped = forms[number] if forms else None
                        found[_filled(ours, fill)] = Piece(name, number, shares, shaped, groups)
                    break
                case Shared(theirs, parts) if (fill := _matches(theirs, name)) is not None:
                    found.update({_filled(ours, fill): Piece(name) for ours in parts})
                    break
                case Ignored(theirs) if _matches(theirs, name) is not None:
                    break
        else:
            unknown.append(name)
    return found, unknown


def published(tensors: Mapping[str, Tensor], rules: tuple[Rule, ...]) -> dict[str, Tensor]:
    """Our tensors under the layout's own names, fused as it fuses them; raises `KeyError` for one that no rule speaks of."""
    theirs: dict[str, Tensor] = {}
    gathered: dict[str, dict[int, Tensor]] = {}
    for name, tensor in tensors.items():
        target, part, of, form, groups = _back(name, rules)
        tensor = tensor if form is None else unformed(tensor, form)
        if of == 1:
            theirs[target] = tensor
            continue
        parts = gathered.setdefault(target, {})
        parts[part] = tensor.unflatten(0, (groups, -1))
        if len(parts) == of:
            theirs[target] = torch.cat([parts[number] for number in range(of)], 1).flatten(0, 1)
    return theirs


def _back(name: str, rules: tuple[Rule, ...]) -> tuple[str, int, int, Form | None, int]:
    for rule in rules:
        match rule:
            case Name(theirs, ours) if (fill := _matches(ours, name)) is not None:
                return _filled(theirs, fill), 0, 1, None, 1
            case Reshaped(theirs, ours, form) if (fill := _matches(ours, name)) is not None:
                return _filled(theirs, fill), 0, 1, form, 1
            case Shared(theirs, parts):
                for ours in parts:
                    if (fill := _matches(ours, name)) is not None:
                        return _filled(theirs, fill), 0, 1, None, 1
            case Fused(theirs, parts, _, forms, groups):
                for number, ours in enumerate(parts):
                    if (fill := _matches(ours, name)) is not None:
                        return _filled(theirs, fill), number, len(parts), forms[number] if forms else None, groups
    raise KeyError(f"no rule of the layout names {name!r}")


def _matches(pattern: str, name: str) -> tuple[str, ...] | None:
    found = _compiled(pattern)(name)
    return None if found is None else found.groups()


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Callable[[str], re.Match[str] | None]:
    parts = re.split(r"(\*\*?)", pattern)
    return re.compile("".join({"*": "([^.]+)", "**": "(.+)"}.get(part, re.escape(part)) for part in parts)).fullmatch


def _filled(pattern: str, fill: tuple[str, ...]) -> str:
    parts = re.split(r"\*\*?", pattern)
    return "".join(text for pair in zip(parts, (*fill, ""), strict=True) for text in pair)
