"""A model hub through its own client (`huggingface_hub`, extra "hub"): safe kinds of files of one exact commit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chiasm.errors import BadCheckpoint, UnknownModel, UserError, need
from chiasm.weights.files import INDEX, PICKLES, SINGLE, sha256

SAFE = (".safetensors", ".json", ".txt", ".jinja", ".model")


@dataclass(frozen=True)
class Offered:
    """One file of a repository; large ones come with their hash."""

    name: str
    bytes: int
    sha256: str | None


@dataclass(frozen=True)
class Offer:
    """What would be fetched of a repository: the commit and its files."""

    repo: str
    commit: str
    licence: str | None
    files: tuple[Offered, ...]

    @property
    def bytes(self) -> int:
        """The size of the transfer."""
        return sum(file.bytes for file in self.files)

    def __str__(self) -> str:
        licence = f", {self.licence}" if self.licence else ""
        return f"{self.repo} ({len(self.files)} files, {self.bytes / 1e6:.1f} MB{licence}) from the model hub"


def look(repo: str, revision: str) -> Offer:
    """The files of a model that Chiasm reads, without fetching them.

    Raises `UnknownModel` for a repository or revision that is not there (or not for this user), `BadCheckpoint` where
    it offers pickles only, `UserError` where the hub does not answer.
    """
    api = need("huggingface_hub", extra="hub").HfApi()
    with _translated(repo, revision):
        info = api.model_info(repo, revision=revision, files_metadata=True)
    names = {sibling.rfilename for sibling in info.siblings}
    wanted = [sibling for sibling in info.siblings if _is_wanted(sibling.rfilename, names)]
    if not any(sibling.rfilename.endswith(".safetensors") for sibling in wanted):
        if any(Path(name).suffix in PICKLES for name in names):
            way_out = "fetch it yourself and run: chiasm convert FILE OUT"
            raise BadCheckpoint(f"{repo} offers its weights as pickles only, which are never loaded; {way_out}")
        raise BadCheckpoint(f"{repo} at {revision} has no safetensors at its top level.")
    files = tuple(
        Offered(sibling.rfilename, sibling.size or 0, sibling.lfs.sha256 if sibling.lfs else None) for sibling in wanted
    )
    return Offer(repo, info.sha, info.card_data.license if info.card_data else None, files)


def download(offer: Offer, folder: Path) -> None:
    """Fetches the files of an offer into a folder, resuming what is there, and checks their hashes."""
    client = need("huggingface_hub", extra="hub")
    with _translated(offer.repo, offer.commit), _quiet():
        for file in offer.files:
            client.hf_hub_download(offer.repo, file.name, revision=offer.commit, local_dir=folder)
    for file in offer.files:
        if file.sha256 and sha256(folder / file.name) != file.sha256:
            (folder / file.name).unlink()
            raise BadCheckpoint(f"{file.name} of {offer.repo} arrived damaged (its SHA-256 differs): fetch it again.")
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def data_set(repo: str, patterns: Sequence[str]) -> Path:
    """The files of a data set that patterns name, in the hub's own cache."""
    client = need("huggingface_hub", extra="hub")
    with _translated(repo, "main", "data set"):
        return Path(client.snapshot_download(repo, repo_type="dataset", allow_patterns=list(patterns)))


def _is_wanted(name: str, names: set[str]) -> bool:
    if "/" in name or not name.endswith(SAFE):
        return False
    whole = name == SINGLE or name.startswith("model-") or not ({SINGLE, INDEX} & names)
    return whole or not name.endswith(".safetensors")


@contextmanager
def _translated(repo: str, revision: str, kind: str = "model") -> Iterator[None]:
    errors = need("huggingface_hub.errors", extra="hub")
    try:
        yield
    except errors.GatedRepoError:
        raise UserError(f"{repo} asks for consent: accept its terms on the hub, then `hf auth login` here.") from None
    except errors.RepositoryNotFoundError:
        raise UnknownModel(f"The hub has no {kind} {repo!r} (or it is private and this machine not logged in).") from None
    except errors.RevisionNotFoundError:
        raise UnknownModel(f"{repo} has no revision {revision!r}.") from None
    except Exception as e:  # Which ones depends on the HTTP library that the client happens to use.
        raise UserError(f"The hub could not be asked for {repo} ({type(e).__name__}): is there a network?") from None


@contextmanager
def _quiet() -> Iterator[None]:
    bars = need("huggingface_hub.utils", extra="hub")
    shown = not bars.are_progress_bars_disabled()
    bars.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bars()
