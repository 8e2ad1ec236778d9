"""How those who trained LLaVA and its kin wrote conversations: folders in transformers' form, then the original code's own.

Which one a folder was trained with depends on its language model; `spoken` tells by facts of its config.
"""

from collections.abc import Mapping

from chiasm.layout import Spoken

IMAGES = "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
SHOWN = "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
TEXTS = "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
TOLD = "{% if message['role'] == 'system' %}"

VICUNA = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    + IMAGES
    + "{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}{% endfor %}"
    "{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' ' }}{% endgeneration %}{% endfor %}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

VICUNA_CLIPS = VICUNA.replace(IMAGES, IMAGES + IMAGES.replace("image", "video"))
"""Pictures, then clips, then words."""

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    + SHOWN
    + "{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + content['text'] }}{% endfor %}"
    "{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ '\n' + content['text'] }}{% endgeneration %}{% endfor %}{% endif %}{{ '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

CHATML_CLIPS = CHATML.replace(SHOWN, SHOWN + SHOWN.replace("image", "video"))
"""Pictures, then clips, then words."""

MISTRAL = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}"
    + IMAGES
    + TEXTS
    + "{{ ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{% for content in message['content'] %}{% generation %}{{ ' ' + content['text'] + '</s>' }}{% endgeneration %}{% endfor %}"
    "{% endif %}{% endfor %}"
)

MISTRAL_CLIPS = MISTRAL.replace(IMAGES, IMAGES + IMAGES.replace("image", "video"))

YI = (
    f"{{% for message in messages %}}{{{{ '<|im_start|>' + message['role'] + '\n' }}}}{IMAGES}{TEXTS}{{{{ '<|im_end|>\n' }}}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
YI_CLIPS = YI.replace(IMAGES, IMAGES + IMAGES.replace("image", "video"))

Chats = Mapping[tuple[str, int], str]
"""Templates by what kind of language model was trained with them, and how many tokens its vocabulary had before those of
pictures were added."""

SQUARES: Chats = {("llama", 32000): VICUNA, ("qwen2", 151646): CHATML}
TILES: Chats = {("mistral", 32000): MISTRAL, ("llama", 32000): VICUNA, ("llama", 64000): YI}
TILES_AND_CLIPS: Chats = {("mistral", 32000): MISTRAL_CLIPS, ("llama", 32000): VICUNA_CLIPS, ("llama", 64000): YI_CLIPS}
TWO_TOWERS: Chats = {("llama", 32000): VICUNA_CLIPS}


def spoken(chats: Chats, kind: str, words: int) -> Spoken:
    """How a folder of that kind of language model was spoken to, if it is one of those that were published."""
    return Spoken(chats.get((kind, words)), f"a {kind} of {words} tokens before those of pictures")


def separated(told: str) -> str:
    """The original code's turns for Vicuna: named in capitals, a space after what is asked, an end after what is said."""
    return (
        f"{{% if messages[0]['role'] != 'system' %}}{{{{ \"{told} \" }}}}{{% endif %}}"
        f"{{% for message in messages %}}{TOLD}{TEXTS}{{{{ ' ' }}}}"
        f"{{% elif message['role'] == 'assistant' %}}{{{{ 'ASSISTANT: ' }}}}{TEXTS}{{{{ '</s>' }}}}"
        f"{{% else %}}{{{{ 'USER: ' }}}}{IMAGES}{TEXTS}{{{{ ' ' }}}}{{% endif %}}{{% endfor %}}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    )


VICUNA_V1 = separated(
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite "
    "answers to the user's questions."
)
LLAVA_V1 = VICUNA_V1.replace("curious user", "curious human").replace("the user's", "the human's")


def instructed(told: str, between: str) -> str:
    """Llama 2's turns: what is asked stands in brackets, what a model is told inside of the first ones."""
    system = f"{{{{ '<<SYS>>\n{told}\n<</SYS>>\n\n' }}}}" if told else ""
    return (
        "{% set rounds = namespace(number=0) %}{% for message in messages %}"
        f"{TOLD}{{% elif message['role'] == 'assistant' %}}{{{{ ' ' }}}}{TEXTS}{{{{ ' </s>' }}}}"
        f"{{% else %}}{{{{ ('{between}' if rounds.number else '') + '[INST] ' }}}}{{% if not rounds.number %}}"
        "{% if messages[0]['role'] == 'system' %}{{ '<<SYS>>\n' }}"
        "{% for content in messages[0]['content'] %}{{ content['text'] }}{% endfor %}{{ '\n<</SYS>>\n\n' }}"
        f"{{% else %}}{system}{{% endif %}}{{% endif %}}{IMAGES}{TEXTS}{{{{ ' [/INST]' }}}}"
        "{% set rounds.number = rounds.number + 1 %}{% endif %}{% endfor %}"
    )


LLAMA_2 = instructed(
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, "
    "and assist the user with a variety of tasks using natural language.",
    "<s>",
)
MISTRAL_V1 = instructed("", "")
"""The original code's turns for Mistral, with a space before the end."""

DIRECT = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nAnswer the questions.<|im_end|>' }}{% endif %}"
    f"{{% for message in messages %}}{{{{ '<|im_start|>' + message['role'] + '\n' }}}}{IMAGES}{TEXTS}{{{{ '<|im_end|>' }}}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The original code's turns for Yi 34B."""

V0 = (
    "{% if messages[0]['role'] != 'system' %}{{ \"A chat between a curious human and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the human's questions.\n\n\" }}{% endif %}"
    f"{{% for message in messages %}}{TOLD}{TEXTS}{{{{ '\n\n' }}}}"
    f"{{% elif message['role'] == 'assistant' %}}{{{{ '### Assistant: ' }}}}{TEXTS}{{{{ '\n' }}}}"
    f"{{% else %}}{{{{ '### Human: ' }}}}{IMAGES}{TEXTS}{{{{ '\n' }}}}{{% endif %}}{{% endfor %}}{{{{ '### ' }}}}"
)
"""The original code's first turns, as they were trained on."""

PLAIN = f"{{% for message in messages %}}{IMAGES.replace(chr(10), '')}{TEXTS}{{% endfor %}}"
"""A picture and what it shows, nothing said of who speaks: how a connector is first trained."""
