"""What Janus' folders share, as data: the marks of a picture, what leads it to the decoder, and the drawing half, whose tensors
are carried."""

from chiasm.spec import Activation, Around, Carried, Decoder, Mlp
from chiasm.towers.codes import Tensors, carried, linear, tokenizer

MARKS = Around("<begin_of_image>", "<end_of_image>")


def drawing(
    widths: tuple[int, ...], blocks: int, latent: int, codes: int, code_width: int, width: int, text_width: int, depth: int
) -> Carried:
    around: Tensors = [("generation_embeddings.weight", (codes, code_width))]
    around += linear("generation_aligner.fc1", code_width, width)
    for number in range(depth - 1):
        around += linear(f"generation_aligner.hidden_layers.{number}", width, width)
    around += [*linear("generation_head.proj_out", text_width, width), *linear("generation_head.vision_head", width, codes)]
    return carried(("vqmodel.", tokenizer(widths, blocks, latent, codes, code_width)), ("", around))


def aligner(decoder: Decoder, depth: int, act: Activation) -> tuple[Mlp]:
    return (Mlp(decoder.width, decoder.width, depth=depth, act=act),)


CHAT = (
    "{% for message in messages %}{% set user = message['role'] == 'user' %}"
    "{% set named = {'user': '<|User|>', 'assistant': '<|Assistant|>'} %}"
    "{{ named.get(message['role'], message['role'].capitalize()) + ': ' }}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "{% if not loop.first %}{{ '\n' }}{% endif %}{{ '<image_placeholder>' }}{% if not loop.last %}{{ '\n' }}{% endif %}"
    "{% else %}{% set text = content['text'] %}"
    "{% if loop.first %}{% set text = text.lstrip() %}{% endif %}{% if loop.last %}{% set text = text.rstrip() %}{% endif %}"
    "{{ ' ' if not loop.first and loop.previtem['type'] == 'text' else '' }}{{ text }}{% endif %}{% endfor %}"
    "{% if not loop.last or add_generation_prompt %}"
    "{{ '\n\n' if user else '<\uff5cend\u2581of\u2581sentence\uff5c>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|>:' }}{% endif %}"
)
