"""The questions in words. Wordings for training and for evaluation are apart."""

from __future__ import annotations

import random

from chiasm.render.sources import Use
from chiasm.render.truth import Question

WORDINGS: dict[str, dict[Use, tuple[str, ...]]] = {
    "number": {
        "train": (
            "What number is shown?",
            "Read the number.",
            "Which number is printed here?",
            "What does the number say?",
            "Write down the number in the picture.",
            "What number do you see?",
        ),
        "held-out": ("Please tell me the number in this image.", "What is the printed number?"),
    },
    "first digit": {
        "train": ("What is the first digit?", "Which digit comes first?"),
        "held-out": ("Tell me the number's first digit.",),
    },
    "last digit": {
        "train": ("What is the last digit?", "Which digit comes last?"),
        "held-out": ("Tell me the number's last digit.",),
    },
    "digits": {
        "train": ("How many digits does the number have?", "How many digits are there?"),
        "held-out": ("Count the number's digits.",),
    },
    "word": {
        "train": (
            "What word is shown?",
            "Read the word.",
            "What does it say?",
            "Which word is printed here?",
            "Write down the word in the picture.",
            "What is written?",
        ),
        "held-out": ("Please tell me the word in this image.", "What word can be read here?"),
    },
    "line": {
        "train": (
            "Read the text.",
            "What does the text say?",
            "What is written here?",
            "Write down the text in the picture.",
            "What does it say?",
        ),
        "held-out": ("Please tell me the text in this image.", "What does the sign say?"),
    },
    "what": {
        "train": ("What is this?", "What is shown?", "What does the picture show?", "What do you see?"),
        "held-out": ("Please name what is in this image.", "What can be seen here?"),
    },
    "colour": {
        "train": ("What colour is the {a}?", "What color is the {a}?", "Which colour does the {a} have?"),
        "held-out": ("Tell me the color of the {a}.",),
    },
    "shape": {
        "train": ("Which shape is {a}?", "What is the {a} shape?", "What shape is {a}?"),
        "held-out": ("Tell me the shape that is {a}.",),
    },
    "count": {
        "train": ("How many {a} are there?", "Count the {a}.", "How many {a} do you see?"),
        "held-out": ("What is the number of {a} in this image?",),
    },
    "sides": {
        "train": (
            "Is the {a} left or right of the {b}?",
            "Is the {a} to the left or to the right of the {b}?",
            "Seen from the {b}, is the {a} left or right?",
            "Compared with the {b}, does the {a} lie to the left or to the right?",
        ),
        "held-out": ("On which side of the {b} is the {a}, left or right?",),
    },
    "levels": {
        "train": (
            "Is the {a} above or below the {b}?",
            "Is the {a} higher or lower than the {b}, above or below?",
            "Seen from the {b}, is the {a} above or below?",
        ),
        "held-out": ("Where is the {a} compared with the {b}, above or below?",),
    },
    "tallest": {
        "train": ("Which bar is the tallest?", "Which bar is highest?", "What is the label of the tallest bar?"),
        "held-out": ("Name the bar with the largest value.",),
    },
    "shortest": {
        "train": ("Which bar is the shortest?", "Which bar is lowest?", "What is the label of the shortest bar?"),
        "held-out": ("Name the bar with the smallest value.",),
    },
    "heights": {
        "train": ("Is the bar {a} taller or shorter than {b}?", "Compared with {b}, is {a} taller or shorter?"),
        "held-out": ("Is {a} a taller or a shorter bar than {b}?",),
    },
    "half": {
        "train": ("In which half is the {a}, left or right?", "Is the {a} on the left or on the right?"),
        "held-out": ("On which side of the picture is the {a}, left or right?",),
    },
    "bar colour": {
        "train": ("What colour is the bar {a}?", "What color is the bar labelled {a}?"),
        "held-out": ("Tell me the color of the bar for {a}.",),
    },
    "trend": {
        "train": ("Does the line rise or fall?", "Is the line rising or falling, rise or fall?"),
        "held-out": ("From left to right, does the curve rise or fall?",),
    },
    "cell": {
        "train": ("What is the value of {a}?", "Which number belongs to {a}?", "What is {a}?"),
        "held-out": ("Look up {a} in the table.",),
    },
    "total": {
        "train": ("What is the total?", "How much is the total?", "What does it cost in total?"),
        "held-out": ("Tell me the total amount on this receipt.",),
    },
    "price": {
        "train": ("What does the {a} cost?", "How much is the {a}?", "What is the price of the {a}?"),
        "held-out": ("Tell me the price of the {a} on this receipt.",),
    },
}


def ask(
    rng: random.Random,
    use: Use,
    task: str,
    answer: str,
    a: str = "",
    b: str = "",
    candidates: tuple[str, ...] | None = None,
) -> Question:
    """A question of a task about `a` (and `b`) in one of the split's wordings."""
    key = " ".join(part for part in (task, a, b) if part)
    return Question(task, key, rng.choice(WORDINGS[task][use]).format(a=a, b=b), answer, candidates)
