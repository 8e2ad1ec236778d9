"""Large World Model (arXiv:2402.08268): frames as words behind those of text, read by a Llama of a million positions.

Published as arrays of JAX without a config, so its folders here are Chiasm's own. It is made of proved parts: a tokenizer of
pictures as Chameleon's class has it, without attention, whose words are ordinary ids of a Llama. What its code keeps as two
tables, of text and of frames, is one table here, frames behind; an answer is made of text alone. The last of the ids of
frames, which is never used, stands for a picture until a tokenizer gives that one another.
"""

from chiasm.readers import HALF
from chiasm.spec import VQ, Around, Causal, Decoder, Discrete, EndFrames, Family, Pixels, Resize, Rope, Sight
from chiasm.towers.decoders import llama_like

TEXT, FRAMES, CODES = 32000, 8448, 8192
EYE = VQ(128, (128, 256, 256, 512, 768), 2, 64, CODES, 64, middle="plain")
WORDS = Discrete(TEXT + FRAMES - 1, named="<picture>", runs=((TEXT, CODES),), ends=(TEXT + CODES, TEXT + CODES + 1))

CHAT = (
    "{{ bos_token }}{{ 'You are a helpful assistant.' }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ ' ASSISTANT: ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] }}{% endgeneration %}{% endfor %}{{ eos_token }}{% else %}{{ ' USER: ' }}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<picture>\n' }}{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)

FAMILIES = (
    Family(
        name="lwm",
        title="Large World Model",
        paper="2402.08268",
        year=2024,
        layout="chiasm",
        model=Causal(
            Decoder(
                llama_like(4096, 32, 32, 11008, eps=1e-5), 32, TEXT + FRAMES, Rope(50000000.0), 1048576,
                silent=((TEXT, FRAMES),),
            ),
            Sight(Resize(256, 256), Pixels(HALF, HALF), EYE, (EndFrames(),), WORDS, Around("<vision>", "</vision>")),
        ),
        sizes={"7b": {}},
        reference="LlamaForCausalLM",
        proof="reduction",
        chat=CHAT,
    ),
)  # fmt: skip
