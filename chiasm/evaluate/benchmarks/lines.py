"""Numbers that others published, to be read beside ours and never in one column with them.

Each says whose it is, on which split and in which setting, and the paper that states it. None was measured here; where a
setting differs from a task's default (other prompt, fine-tuning, another split), the line says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A published number in per cent (CIDEr times 100), with the arXiv number of the paper that states it."""

    task: str
    who: str
    value: float
    split: str
    setting: str
    source: str


_MMMU, _MATHVISTA, _SCIENCEQA, _LLAVA, _QWEN = "2311.16502", "2310.02255", "2209.09513", "2310.03744", "2308.12966"
_BOX = "boxes in thousandths, IoU 0.5"

LINES = (
    Line("docvqa", "people", 98.1, "test", "ANLS", "2007.00398"),
    Line("textvqa", "people", 85.0, "validation", "accuracy", "1904.08920"),
    Line("scienceqa", "people", 87.5, "test", "questions with a picture", _SCIENCEQA),
    Line("mmmu", "experts, the best third", 88.6, "validation", "with textbooks", _MMMU),
    Line("mmmu", "experts, the middle", 82.6, "validation", "with textbooks", _MMMU),
    Line("mmmu", "GPT-4V", 56.8, "validation", "zero-shot", _MMMU),
    Line("mmmu", "chance", 22.1, "validation", "a letter at random", _MMMU),
    Line("mathvista", "people", 60.3, "testmini", "with a high school diploma", _MATHVISTA),
    Line("mathvista", "GPT-4V", 49.9, "testmini", "answers extracted by a language model", _MATHVISTA),
    Line("mathvista", "chance", 17.9, "testmini", "a choice at random", _MATHVISTA),
    Line("mmstar", "chance", 24.6, "val", "a letter at random", "2403.20330"),
    Line("mvbench", "chance", 27.3, "test", "an option at random", "2311.17005"),
    Line("mvbench", "VideoChat2", 51.1, "test", "16 frames", "2311.17005"),
    Line("videomme", "Gemini 1.5 Pro", 75.0, "test", "without subtitles", "2405.21075"),
    Line("videomme", "GPT-4o", 71.9, "test", "without subtitles", "2405.21075"),
    *(
        Line(task, f"LLaVA-1.5 {size}", value, split, setting, _LLAVA)
        for task, values, split, setting in (
            ("vqav2", (78.5, 80.0), "test-dev", "greedy; its images are in its training data"),
            ("scienceqa", (66.8, 71.6), "test", "questions with a picture"),
            ("textvqa", (58.2, 61.3), "validation", "with OCR tokens in the prompt"),
            ("pope", (85.9, 85.9), "test", "F1, mean of the three ways"),
            ("mmbench", (64.3, 67.7), "dev", "circular, by the authors' server"),
            ("mmbench-cn", (58.3, 63.6), "dev", "circular, by the authors' server"),
        )
        for size, value in zip(("7B", "13B"), values, strict=True)
    ),
    *(
        Line(task, "Qwen-VL 7B", value, split, setting, _QWEN)
        for task, value, split, setting in (
            ("vqav2", 79.5, "test-dev", "pretrained model, short answers"),
            ("okvqa", 58.6, "val2014", "pretrained model, short answers"),
            ("textvqa", 63.8, "validation", "pretrained model, short answers"),
            ("docvqa", 65.1, "test", "ANLS"),
            ("chartqa", 65.7, "test", "tolerance relative to the prediction: reference Qwen-VL"),
            ("ai2d", 62.3, "test", "pretrained model"),
            ("refcoco", 89.36, "val", _BOX),
            ("refcoco", 92.26, "testA", _BOX),
            ("refcoco", 85.34, "testB", _BOX),
            ("refcoco+", 83.12, "val", _BOX),
            ("refcocog", 85.58, "val", _BOX),
        )
    ),
    Line("coco-karpathy", "BLIP-2, OPT 2.7B", 145.8, "test", "CIDEr, fine-tuned on COCO", "2301.12597"),
)


def of(task: str) -> tuple[Line, ...]:
    """What is published about a benchmark."""
    return tuple(line for line in LINES if line.task == task)
