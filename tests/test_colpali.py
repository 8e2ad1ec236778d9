"""ColPali: pages and questions as many vectors, its prompts, late interaction, and search by it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from shrink import shrunk
from tiny_tokenizers import NAMED, byte_level
from tokenizers import AddedToken, Tokenizer

from chiasm.errors import Unsupported, UserError
from chiasm.geometry import Size
from chiasm.heads.multivector import late_interaction
from chiasm.local import LocalAssistant
from chiasm.model import Causal, assemble
from chiasm.prompt.items import count
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.planner import Planner
from chiasm.reference.make import redraw
from chiasm.reference.parts import library, siglip_processor
from chiasm.registry import families
from chiasm.retrieve import LateIndex, index
from chiasm.spec import Causal as CausalSpec

PAGES = [np.random.default_rng(n).integers(0, 256, (40 + n, 60, 3), np.uint8) for n in range(3)]


@pytest.fixture(scope="module")
def theirs() -> Any:
    """The reference's processor over a tokenizer of bytes."""
    backend = Tokenizer.from_str(byte_level().to_str())
    backend.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    pictures = siglip_processor(16)
    pictures.image_seq_length = 16
    return library().ColPaliProcessor(pictures, library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED))


@pytest.fixture(scope="module")
def finder(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> LocalAssistant:
    folder = tmp_path_factory.mktemp("colpali")
    theirs.tokenizer.save_pretrained(folder)
    spec = shrunk(families()["colpali"].model)
    assert isinstance(spec, CausalSpec) and spec.sight is not None
    fusion = replace(spec.sight.fusion, image=theirs.tokenizer.convert_tokens_to_ids("<image>"))
    decoder = replace(spec.decoder, vocab=len(theirs.tokenizer))
    spec = replace(spec, sight=replace(spec.sight, fusion=fusion), decoder=decoder)
    model = assemble(spec).eval()
    redraw(model, 0)
    return LocalAssistant("colpali", model, Planner.from_folder(spec, folder, families()["colpali"].chat))


def test_prompts_are_the_processors_own(finder: LocalAssistant, theirs: Any) -> None:
    assert finder.planner is not None
    page = finder.planner.plan([[Message("user", (Image(0),))]], [Size(60, 40)]).rows[0]
    assert page.ids_T.tolist() == theirs.process_images([Pillow.fromarray(PAGES[0])])["input_ids"][0].tolist()
    question = finder.planner.plan([[Message("user", (Text("how many circles?"),))]]).rows[0]
    assert question.ids_T.tolist() == theirs.process_queries(["how many circles?"])["input_ids"][0].tolist()
    assert page.prompt == len(page) and question.prompt == len(question)


def test_late_interaction_is_the_references(theirs: Any) -> None:
    draw = torch.Generator().manual_seed(0)
    queries, pages = ([torch.randn(n, 8, generator=draw) for n in lengths] for lengths in ((3, 5), (7, 2, 9)))
    # The reference fills shorter sets up with zeros, which outdo vectors that all look away: here none do.
    queries, pages = ([(x.abs() / x.norm(dim=-1, keepdim=True)) for x in some] for some in (queries, pages))
    torch.testing.assert_close(late_interaction(queries, pages), theirs.score_retrieval(queries, pages))
    alone = torch.stack([torch.stack([(q @ p.T).amax(1).sum() for p in pages]) for q in queries])
    torch.testing.assert_close(late_interaction(queries, pages), alone)


def test_it_embeds_and_finds_and_does_not_write(finder: LocalAssistant) -> None:
    assert finder.capabilities == {"plan", "embed"}
    vectors = finder.embed([PAGES[0], "two circles"])
    assert isinstance(vectors, list) and isinstance(finder.model, Causal) and finder.planner is not None
    visual = count(finder.model.spec, Size(60, 40)).visual
    assert vectors[0].shape[0] > visual == 16 and vectors[0].shape[1] == vectors[1].shape[1]
    torch.testing.assert_close(vectors[0].norm(dim=-1), torch.ones(len(vectors[0])))
    for verb in (lambda: finder.ask("what?", PAGES[0]), lambda: finder.score(None, [])):  # type: ignore[arg-type]
        with pytest.raises(Unsupported):
            verb()
    found = index(finder, PAGES)
    assert isinstance(found, LateIndex)
    hits = found.ask(finder, [PAGES[1], "two circles"], most=2)
    assert [len(several) for several in hits] == [2, 2] and hits[0][0].number == 1
    assert hits[0][0].cosine == pytest.approx(len(vectors[0]), rel=1e-4)
    asked = finder.embed(["two circles"])
    assert isinstance(asked, list)
    scores = late_interaction(asked, found.vectors)[0]
    assert [hit.number for hit in hits[1]] == scores.argsort(descending=True)[:2].tolist()
    with pytest.raises(UserError, match="one space"):
        found.nearest([torch.zeros(2, 3)])
