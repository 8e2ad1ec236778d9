"""Outputs of models that write after a source, under the references' names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chiasm.generate.seq2seq import greedy
from chiasm.model import Seq2Seq, prepare
from chiasm.reference.given import Given


def seq2seq(model: Seq2Seq, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    memory = model.read(given["input_ids"], given.valid_BT)
    got = {"encoder_last_hidden_state": memory.states_BTD, "logits": model.logits(model(given["decoder_input_ids"], memory))}
    if meta.get("generate"):
        prepare(model)
        memory = model.read(given["input_ids"], given.valid_BT)
        new = greedy(model, memory, meta["generate"]["new_tokens"])
        got["generated"] = torch.cat([torch.full_like(new[:, :1], model.spec.language.start), new], 1)
    return got
