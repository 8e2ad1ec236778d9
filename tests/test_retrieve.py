"""Zero-shot classes and search, for every family that compares: ensembles of prompts, order by cosine, one query or many."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from shrink import tiny
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from torch.nn import functional as F

from chiasm.classify import Guess, classes
from chiasm.errors import Unsupported, UserError
from chiasm.local import LocalAssistant
from chiasm.model import Match
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.registry import families
from chiasm.retrieve import Hit, Index, index
from chiasm.spec import Bind
from chiasm.spec import Match as MatchSpec
from chiasm.weights.write import write_json, write_text

WORDS = ("a", "photo", "drawing", "of", "the", "red", "green", "blue", "cat", "dog", "boat", ".")
COMPARING = [name for name, family in families().items() if isinstance(family.model, MatchSpec | Bind)]
TEMPLATES = ("a photo of a {}.", "the drawing of {}")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Words as ids from 5, a start and an end, which is the highest id that it knows."""
    folder = tmp_path_factory.mktemp("words")
    ids = {"<pad>": 0, "<unk>": 1, **{word: 5 + number for number, word in enumerate(WORDS)}, "<start>": 126, "<end>": 127}
    backend = Backend(WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    backend.post_processor = TemplateProcessing("<start> $A <end>", special_tokens=[("<start>", 126), ("<end>", 127)])
    write_text(folder / "tokenizer.json", backend.to_str())
    write_json(folder / "tokenizer_config.json", {"pad_token": "<pad>", "eos_token": "<end>"})
    return Tokenizer.from_folder(folder)


def assistant(name: str, tokenizer: Tokenizer) -> LocalAssistant:
    return LocalAssistant(name, tiny(families()[name].model, seed=2), None, tokenizer=tokenizer)


def pictures() -> list[np.ndarray]:
    draw = np.random.default_rng(3)
    return [draw.integers(0, 256, (high, wide, 3), np.uint8) for high, wide in ((40, 61), (33, 30), (24, 80), (50, 50))]


def alike(some: Sequence[Guess | Hit], others: Sequence[Guess | Hit]) -> None:
    """The same order; a product of many rows rounds otherwise than that of one."""
    names = [[one.name if isinstance(one, Guess) else one.number for one in each] for each in (some, others)]
    assert names[0] == names[1]
    assert [one.cosine for one in some] == pytest.approx([one.cosine for one in others], abs=1e-6)


@pytest.mark.parametrize("name", COMPARING)
def test_classes_are_ensembles_and_guesses_follow_the_cosine(name: str, tokenizer: Tokenizer) -> None:
    model, shown = assistant(name, tokenizer), pictures()
    made = classes(model, ("cat", "dog", "boat"), TEMPLATES)
    for number, animal in enumerate(made.names):
        each = torch.stack([model.embed([template.format(animal)])[0] for template in TEMPLATES])
        torch.testing.assert_close(each.norm(dim=-1), torch.ones(2))
        torch.testing.assert_close(made.vectors_CD[number], F.normalize(each.mean(0), dim=-1))
    together = made.guess(model, shown)
    alike([guess for row in together for guess in row], [guess for one in shown for guess in made.guess(model, [one])[0]])
    for picture, guesses in zip(shown, together, strict=True):
        cosines = made.vectors_CD @ model.embed([picture])[0]
        assert [guess.name for guess in guesses] == [made.names[number] for number in cosines.argsort(descending=True)]
        assert [guess.cosine for guess in guesses] == pytest.approx(cosines.sort(descending=True)[0].tolist(), abs=1e-6)
    assert made.guess(model, shown, most=1) == [guesses[:1] for guesses in together]


@pytest.mark.parametrize("name", COMPARING)
def test_search_goes_both_ways(name: str, tokenizer: Tokenizer) -> None:
    model, shown = assistant(name, tokenizer), pictures()
    found = index(model, shown)
    asked = ["the red cat", "a blue boat"]
    hits = found.ask(model, asked)
    alike([hit for row in hits for hit in row], [hit for text in asked for hit in found.ask(model, [text])[0]])
    for text, row in zip(asked, hits, strict=True):
        pictured = model.embed(shown)
        assert isinstance(pictured, Tensor)
        cosines = pictured @ model.embed([text])[0]
        assert [hit.number for hit in row] == cosines.argsort(descending=True).tolist()
        assert all(hit.item is shown[hit.number] for hit in row)
    for number, (first, *_) in enumerate(found.ask(model, shown, most=1)):
        assert first.number == number and first.cosine == pytest.approx(1, abs=1e-5)
    texts = index(model, asked)
    backwards = texts.ask(model, shown[:1])[0]
    assert {hit.item for hit in backwards} == set(asked)
    cosine = {(hit.number, n): hit.cosine for n, row in enumerate(hits) for hit in row}
    assert [hit.cosine for hit in backwards] == pytest.approx([cosine[0, hit.number] for hit in backwards], abs=1e-6)


def test_a_text_that_its_last_place_stands_for_is_filled_with_pads(tokenizer: Tokenizer) -> None:
    model = assistant("siglip", tokenizer)
    assert isinstance(model.model, Match)
    ids = [126, *(5 + WORDS.index(word) for word in ("a", "red", "cat")), 127]
    ids += [0] * (model.model.spec.text.positions - len(ids))
    with torch.inference_mode():
        wanted = model.model.embed_texts(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))[0]
    assert torch.equal(model.embed(["a red cat"])[0], wanted)


def test_equals_stand_in_the_order_of_the_index() -> None:
    found = Index(("one", "two", "three"), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    assert [hit.item for hit in found.nearest(torch.tensor([[0.0, 1.0]]))[0]] == ["two", "three", "one"]


def test_mistakes_are_one_sentence(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = assistant("clip", tokenizer)
    with pytest.raises(UserError, match="at least one class"):
        classes(model, ())
    with pytest.raises(UserError, match="'cat' is named twice"):
        classes(model, ("cat", "dog", "cat"))
    with pytest.raises(UserError, match="where the class's name goes"):
        classes(model, ("cat",), ("a photo",))
    with pytest.raises(UserError, match="nothing to index"):
        index(model, [])
    found = index(model, ["cat"])
    with pytest.raises(UserError, match="at least 1"):
        found.ask(model, ["dog"], most=0)
    with pytest.raises(UserError, match="one space"):
        found.nearest(torch.ones(1, 3))  # type: ignore[arg-type]
    writer = LocalAssistant("smollm2", tiny(families()["smollm2"].model), None)
    with pytest.raises(Unsupported):
        index(writer, ["cat"])


def test_an_encoder_finds_pictures_by_pictures() -> None:
    model = LocalAssistant("dinov2", tiny(families()["dinov2"].model), None)
    assert model.capabilities == {"embed"}
    shown = pictures()
    assert [hits[0].number for hits in index(model, shown).ask(model, shown, most=2)] == [0, 1, 2, 3]


def test_pictures_of_many_vectors_are_told_by_their_best(tokenizer: Tokenizer) -> None:
    """BLIP-2's first stage: a text is one vector, a picture one for each query, whichever of the two asks."""
    model, shown = assistant("blip2-itm", tokenizer), pictures()
    names = ("cat", "dog", "boat")
    made = classes(model, names, ("a photo of a {}.",))
    texts = torch.cat([*model.embed([f"a photo of a {name}." for name in names])])
    best = torch.stack([(vectors @ texts.T).amax(0) for vectors in model.embed(shown)])
    for row, guesses in zip(best, made.guess(model, shown), strict=True):
        assert [guess.name for guess in guesses] == [names[number] for number in row.argsort(descending=True)]
        assert [guess.cosine for guess in guesses] == pytest.approx(row.sort(descending=True)[0].tolist(), abs=1e-6)
    words = [f"a photo of a {name}." for name in names]
    for found, row in ((index(model, words).ask(model, shown), best), (index(model, shown).ask(model, words), best.T)):
        assert [[hit.number for hit in hits] for hits in found] == row.argsort(descending=True).tolist()


def test_a_text_model_finds_what_the_vision_model_of_its_space_indexed(tokenizer: Tokenizer) -> None:
    """Nomic's pair: a text is the mean of its tokens, brought to mean 0 and spread 1."""
    reader, text = assistant("nomic-embed-text", tokenizer), "the red cat"
    ids = torch.tensor([tokenizer.encode(text, framed=True)])
    with torch.inference_mode():
        mean = reader.model(ids, torch.ones_like(ids, dtype=torch.bool)).mean(1)
        padded = torch.cat([ids, torch.zeros_like(ids)], 1)
        same = reader.model.embed_texts(padded, torch.arange(padded.shape[1])[None] < ids.shape[1])  # type: ignore[operator]
    wanted = F.normalize(F.layer_norm(mean, mean.shape[-1:]), dim=-1)
    torch.testing.assert_close(reader.embed([text]), wanted)
    torch.testing.assert_close(same, wanted, rtol=1e-4, atol=1e-5)
    indexed = Index(("a", "b"), torch.stack([-wanted[0], wanted[0]]))
    assert [hit.number for hit in indexed.ask(reader, [text])[0]] == [1, 0]
    assert reader.capabilities == {"embed"}
    with pytest.raises(Unsupported):
        reader.embed(pictures())
    with pytest.raises(Unsupported):
        assistant("bert", tokenizer).embed([text])


def test_no_class_is_made_of_many_vectors(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = assistant("blip2-itm", tokenizer)
    monkeypatch.setattr(model, "embed", lambda items: [torch.ones(3, 4) for _ in items])
    with pytest.raises(UserError, match="many vectors of a text, of which no class is made"):
        classes(model, ("cat",))
