"""A training run as a value: what is composed, how each stage goes, and the folder that comes out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from chiasm.connect.steps import Connector
from chiasm.layout import Name
from chiasm.model import Causal, blank
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.planner import Planner
from chiasm.prompt.taught import seeing
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.render import fetch
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Decoder, Mlp, Pixels, Placed, Resize, Sight, Splice, Tally
from chiasm.spec_json import to_json
from chiasm.train import lora
from chiasm.train.eye import Schooling, school
from chiasm.train.machine import Machine
from chiasm.train.names import LEVELS, SIDES
from chiasm.train.naming import Naming, train_names
from chiasm.train.ranks import Ranks, spread
from chiasm.train.talk import Stage, train
from chiasm.train.tallies import TALLY, tally_by_words
from chiasm.weights.files import TensorFiles
from chiasm.weights.fill import fill, located
from chiasm.weights.folders import model_folder
from chiasm.weights.read import ADAPTERS, Described, describe
from chiasm.weights.sources import parse
from chiasm.weights.write import write_json, write_safetensors, write_text


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run but the clock.

    `base` names the language model as `chiasm.load` would, `image_token` the control token that is added to its tokenizer
    for pictures, `chat` its template; `schooling` makes the eye in so many `minutes`, of which the
    connector takes what `gives` names; `hidden` is the connector's inner width.
    """

    name: str
    base: str
    chat: str
    image_token: str
    views: Resize
    pixels: Pixels
    schooling: Schooling
    minutes: float
    gives: tuple[Literal["tokens", "local"], ...]
    hidden: int
    rank: int
    alpha: float
    naming: tuple[Naming, ...]
    stages: tuple[Stage, ...]
    seed: int = 0
    onto: str | None = None
    """A finished run's model, by whose trained parts this run begins; its eye is not schooled again."""
    loud: float = 1.0
    """How long the vectors of places and tallies begin, in lengths of the words that they are made of: one that is much shorter
    than a token is not heard."""


def within(recipe: Recipe, minutes: float) -> Recipe:
    """The same in so many minutes in all, of which every stage has the share that it had."""
    eye = 0.0 if recipe.onto is not None else recipe.minutes
    by = minutes / (eye + sum(one.minutes for one in recipe.naming) + sum(one.minutes for one in recipe.stages))
    return replace(
        recipe,
        minutes=by * recipe.minutes,
        naming=tuple(replace(one, minutes=by * one.minutes) for one in recipe.naming),
        stages=tuple(replace(one, minutes=by * one.minutes) for one in recipe.stages),
    )


def spec_of(recipe: Recipe, decoder: Decoder) -> CausalSpec:
    """The composed model. The image's id is the first one beyond the vocabulary: no row of the embedding, never sampled."""
    encoder = replace(recipe.schooling.eye, gives=recipe.gives)
    connector = (Mlp(decoder.width, recipe.hidden), Placed(encoder.side, encoder.side), TALLY)
    sight = Sight(recipe.views, recipe.pixels, encoder, connector, Splice(decoder.vocab))
    return CausalSpec(decoder, sight)


def planner_of(recipe: Recipe, spec: CausalSpec, base: Path) -> Planner:
    """The base's tokenizer with a placeholder for pictures, and the recipe's own template."""
    tokenizer = seeing(Tokenizer.from_folder(base), recipe.image_token, spec.decoder.vocab)
    return Planner(spec, tokenizer, ChatTemplate(recipe.chat, recipe.name, tokenizer.special))


def compose(recipe: Recipe, base: Described, trained: Path, device: torch.device) -> Causal:
    """The base in bf16, the schooled eye, a connector, and low-rank adapters beside every linear layer of the base.

    `trained` is the eye's file, connector and adapters being fresh, or the folder of a model whose trained parts go on.
    """
    assert isinstance(base.model, CausalSpec)
    spec = spec_of(recipe, base.model.decoder)
    assert spec.sight is not None
    model = blank(spec)
    assert isinstance(model, Causal)
    torch.manual_seed(recipe.seed)
    found = located(TensorFiles.open(base.folder), base.keys)
    made = connected(recipe, base, spec)
    if trained.is_dir():
        parts = located(TensorFiles.open(trained), (Name("**", "**"),))
        made = {name: tensor for name, tensor in made.items() if name not in parts}
        fill(model, found | parts, trained, torch.bfloat16, device, made)
        lora.adapt(model.language, recipe.rank, recipe.alpha)
        kept = {name.removeprefix(ADAPTERS + "language."): p.read() for name, p in parts.items() if name.startswith(ADAPTERS)}
        lora.restore(model.language, kept)
        return model.to(torch.bfloat16)
    seen = located(TensorFiles([trained]), (Name("**", "vision.**"),))
    fill(model, found | seen, base.folder, torch.bfloat16, device, made)
    lora.adapt(model.language, recipe.rank, recipe.alpha)
    return model.to(torch.bfloat16)


def connected(recipe: Recipe, base: Described, spec: CausalSpec) -> dict[str, Tensor]:
    """A fresh connector, by the names of its tensors in the model; places and tallies begin as words."""
    assert spec.sight is not None
    tokenizer = Tokenizer.from_folder(base.folder)
    embed = located(TensorFiles.open(base.folder), base.keys)["language.embed.weight"].read().float()
    made = Connector(spec.sight.connector, spec.sight.encoder.width).state_dict()
    for at, step in enumerate(spec.sight.connector):
        match step:
            case Placed():
                begun = placed_by_words(step, tokenizer, embed, recipe.loud)
            case Tally():
                begun = tally_by_words(tokenizer, embed, recipe.loud)
            case _:
                begun = {}
        made |= {f"steps.{at}.{name}": tensor for name, tensor in begun.items()}
    return {f"connect.{name}": tensor for name, tensor in made.items()}


def placed_by_words(step: Placed, tokenizer: Tokenizer, embed: Tensor, loud: float) -> dict[str, Tensor]:
    """Where rows and columns begin: from the language model's "above" to its "below", from its "left" to its "right", `loud`
    times as long."""
    tables = {}
    for axis, count, words in (("rows", step.rows, LEVELS), ("columns", step.columns, SIDES)):
        first, last = (embed[tokenizer.encode(word)[0]] for word in words)
        tables[f"tables.{axis}"] = loud * torch.linspace(-1, 1, count)[:, None] * (last - first)
    return tables


def run(recipe: Recipe, out: Path, machine: Machine) -> Path:
    """Runs every stage that is not finished yet, then writes the trained part as a folder: `out`/model."""
    out.mkdir(parents=True, exist_ok=True)
    eye = 60 * recipe.minutes
    trained = trained_before(recipe.onto) if recipe.onto is not None else school(recipe.schooling, out / "eye", eye, machine)
    model_folder(parse(recipe.base))
    spread(teach, (recipe, trained, out, machine), machine.training)
    return out / "model"


def trained_before(onto: str) -> Path:
    """The folder of the model that a run goes on from, fonts and emoji fetched."""
    fetch()
    return model_folder(parse(onto))


def teach(ranks: Ranks, recipe: Recipe, trained: Path, out: Path, machine: Machine) -> None:
    """Everything after the eye's schooling, in one process of several."""
    base = describe(model_folder(parse(recipe.base)))
    model = compose(recipe, base, trained, machine.device)
    planner = planner_of(recipe, model.spec, base.folder)
    for naming in recipe.naming:
        train_names(model, planner, naming, out, recipe.seed, ranks, workers=machine.drawing)
    if machine.device.type == "cpu" and hastens():
        for block in model.language.blocks:
            block.compile(dynamic=True)
    for stage in recipe.stages:
        train(model, planner, stage, out, recipe.seed, ranks, workers=machine.drawing)
        if ranks.first:
            save(recipe, model, out / "model")


def hastens() -> bool:
    """Whether torch can compile here: a step of training then takes three quarters of its time."""
    return os.environ.get("CHIASM_COMPILE") != "0" and any(map(shutil.which, ("c++", "g++", "clang++")))


def save(recipe: Recipe, model: Causal, folder: Path) -> Path:
    """The trained part in bf16 beside a config that names its base: encoder, connector, adapters, template."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {f"vision.{name}": p for name, p in model.vision.named_parameters()}
    tensors |= {f"connect.{name}": p for name, p in model.connect.named_parameters()}
    tensors |= {f"{ADAPTERS}language.{name}": tensor for name, tensor in lora.stored(model.language)}
    kept = {name: tensor.detach().to(torch.bfloat16).clone() for name, tensor in tensors.items()}
    write_safetensors(folder / "model.safetensors", kept, {"format": "pt"})
    config = {
        "model_type": "chiasm",
        "spec": to_json(model.spec),
        "base": recipe.base,
        "lora": {"rank": recipe.rank, "alpha": recipe.alpha},
        "image_token": recipe.image_token,
    }
    write_json(folder / "config.json", config)
    write_text(folder / "chat_template.jinja", recipe.chat)
    return folder
