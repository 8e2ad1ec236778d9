"""A config.json read field by field, which keeps account of what was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chiasm.errors import BadConfig, UserError
from chiasm.layout.fields import checked
from chiasm.spec import Activation

if TYPE_CHECKING:
    from chiasm.layout.reading import Layout, Reading


REQUIRED: Any = object()

ACTS: dict[str, Activation] = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
    "swish": "silu",
}

INERT = frozenset({
    "is_composition",
    "_attn_implementation", "_attn_implementation_autoset", "_flash_attn_2_enabled", "_name_or_path",
    "add_cross_attention", "architectures", "attention_dropout", "attention_probs_dropout_prob", "auto_map",
    "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "chunk_size_feed_forward", "cross_attention_hidden_size",
    "decoder_start_token_id", "diversity_penalty", "do_sample", "dropout", "dtype", "early_stopping",
    "encoder_no_repeat_ngram_size", "eos_token_id", "exponential_decay_length_penalty", "finetuning_task",
    "forced_bos_token_id", "forced_eos_token_id", "gradient_checkpointing", "hidden_dropout_prob", "id2label",
    "initializer_factor", "initializer_range", "is_decoder", "is_encoder_decoder", "is_llama_config", "label2id",
    "length_penalty", "max_length", "min_length", "model_type", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores", "pad_token_id", "prefix",
    "pretraining_tp", "problem_type", "pruned_heads", "remove_invalid_values", "repetition_penalty", "return_dict",
    "return_dict_in_generate", "sep_token_id", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
    "tie_encoder_decoder", "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers.js_config",
    "transformers_version", "typical_p", "use_bfloat16", "use_cache", "use_return_dict",
})  # fmt: skip
"""Fields that say nothing about the arithmetic of inference, in any published config."""


class Config:
    """One object of a config.json (or a preprocessor's), read field by field.

    `path` locates it for messages; `parts` finds the layout of a nested model; `pixels` is the preprocessor's config, `clips`
    that of clips, where the folder has another one; `fetch` finds another folder's config by what the folder is called; `told`
    are the fields read so far, of all that belongs together.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        path: str,
        parts: Callable[[str, str], Layout],
        pixels: Config | None = None,
        fetch: Callable[[str], Config] | None = None,
        clips: Config | None = None,
        told: list[str] | None = None,
    ) -> None:
        self.data, self.path, self._parts = data, path, parts
        self.told = [] if told is None else told
        self._pixels, self._fetch, self._clips = pixels, fetch, clips
        self.honoured: set[str] = set()
        self.nested: list[Config] = []
        self.settings: list[Config] = []

    @property
    def pixels(self) -> Config:
        """The preprocessor's config; an empty one where the folder has none, so that the class's defaults hold."""
        if self._pixels is None:
            self._pixels = Config({}, "the preprocessor", self._parts)
        return self._pixels

    @property
    def clips(self) -> Config:
        """The config of the preprocessor for clips; that of pictures where the folder has no other."""
        return self.pixels if self._clips is None else self._clips

    def get(self, name: str, default: Any = REQUIRED) -> Any:
        """The value of a field, or the published class's default; raises `BadConfig` where a required one is absent."""
        self.honoured.add(name)
        if name in self.data:
            self.told.append(f"{self.path}: {name} = {self.data[name]!r}")
            return checked(self.path, name, self.data[name], default)
        if default is REQUIRED:
            raise BadConfig(f"{self.path} lacks the field {name!r}, which has no default")
        return default

    def first(self, *names: str, default: Any = REQUIRED) -> Any:
        """The value of the first field that is there, of several spellings."""
        self.honoured.update(names)
        for name in names:
            if self.data.get(name) is not None:
                self.told.append(f"{self.path}: {name} = {self.data[name]!r}")
                return checked(self.path, name, self.data[name], default)
        if default is REQUIRED:
            raise BadConfig(f"{self.path} lacks the field {names[0]!r}, which has no default")
        return default

    def only(self, name: str, *values: Any) -> None:
        """Refuses a known field with a value that Chiasm does not do; absent or null means the first value."""
        self.honoured.add(name)
        value = self.data.get(name)
        if value is not None and value not in values:
            wanted = " or ".join(repr(v) for v in values)
            raise BadConfig(f"{self.path}: {name} = {value!r} is not supported; {wanted} is")

    def assume(self, **values: Any) -> None:
        """Fields that are absent or null have these values, as the published class puts them in their place."""
        self.data = {**self.data, **{name: value for name, value in values.items() if self.data.get(name) is None}}

    def default(self, published: Any, without: Any) -> Any:
        """The published class's default in an object that says anything, which stands for its file; another `without` one."""
        return published if self.data else without

    def inert(self, *names: str) -> None:
        """Fields that are known and change nothing here."""
        self.honoured.update(names)

    def act(self, name: str, default: str) -> Activation:
        """An activation by the name the field gives it."""
        value = self.get(name, default)
        if value not in ACTS:
            raise BadConfig(f"{self.path}: {name} = {value!r} is not supported; one of {', '.join(ACTS)} is")
        return ACTS[value]

    def nest(self, name: str, default: Mapping[str, Any] | None = None) -> Config:
        """A nested object as a config of its own."""
        inner = self._inner(name, default)
        self.nested.append(inner)
        return inner

    def setting(self, name: str) -> Config:
        """A nested object that describes no part of the model."""
        inner = self._inner(name, None)
        self.settings.append(inner)
        return inner

    def _inner(self, name: str, default: Mapping[str, Any] | None) -> Config:
        self.honoured.add(name)
        data = self.data.get(name)
        if not isinstance(data, Mapping | None):
            raise BadConfig(f"{self.path}: {name} = {data!r} is not an object, which was expected")
        data = data if data is not None else default or {}
        return Config(data, f"{self.path}: {name}", self._parts, self._pixels, self._fetch, self._clips, self.told)

    def part(self, name: str, model_type: str) -> Reading:
        """A nested model or part, read by the layout of its own `model_type`: the one given, where it says none or repeats
        the whole's, as files of some versions do."""
        inner = self.nest(name)
        said = inner.get("model_type", model_type)
        own = model_type if said in ("", None, self.data.get("model_type")) else said
        return self._parts(own, inner.path).read(inner)

    def base(self, published: str, *spelt: str) -> tuple[str, Config]:
        """The folder that holds what this one does not, and its config: the one that the field `base` names, or one `spelt`
        otherwise, or the published one. Raises `BadConfig` where it cannot be read."""
        name: str = self.first("base", *spelt, default=published)
        assert self._fetch is not None
        try:
            inner = self._fetch(name)
        except UserError as e:
            way_out = f'write the folder of {published} into its field "base"'
            raise BadConfig(
                f"{self.path} describes a half of a model, and the other one is not there: {way_out} ({e})"
            ) from None
        self.nested += [inner, inner.pixels]
        return name, inner

    def flat(self, model_type: str) -> Reading:
        """A part whose fields stand in this very object, as flat configs have it."""
        return self._parts(model_type, self.path).read(self)

    def unknown(self) -> list[str]:
        """Fields that were neither read nor known to be inert, nested ones included, each as `path: name`."""
        mine = [f"{self.path}: {name}" for name in self.data if name not in self.honoured and name not in INERT]
        return mine + [name for inner in (*self.nested, *self.settings) for name in inner.unknown()]
