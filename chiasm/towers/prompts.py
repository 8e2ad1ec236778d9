"""Templates that several families share."""

PROMPT = (
    "{% for message in messages %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ ' ' + content['text'] }}{% endgeneration %}"
    "{% else %}{{ content['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)
"""The words as they are typed; what goes on with them is the answer."""
