"""Video-MME, MVBench and LongVideoBench: options about what happens in a video."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.evaluate.benchmarks.asking import lettered, listed
from chiasm.evaluate.benchmarks.figures import Figure, by, grouped, macro, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub
from chiasm.evaluate.benchmarks.task import Clip, Judge, Judged, Part, Record, Task
from chiasm.evaluate.scorers import video
from chiasm.prompt.messages import Text

SELECT = (
    "Select the best answer to the following multiple-choice question based on the video. Respond with only the letter (A, B, "
    "C, or D) of the correct option."
)
SELECT_WITH = SELECT.replace("based on the video", "based on the video and the subtitles")
LETTER = "Answer with the option's letter from the given choices directly.\n"
ENDINGS = (".mp4", ".MP4", ".mkv", ".webm", ".avi")
SEED = 42


def _clip(row: Row, folders: Sequence[str], name: str, start: Any = None, end: Any = None, rate: float = 1.0) -> Clip:
    """The first place where the video lies, its ending among the usual ones. Raises `Unusable` where it is missing."""
    for folder in folders:
        stem = row.folder / folder / name
        for file in (stem, *(stem.with_name(stem.name + ending) for ending in ENDINGS)):
            if file.exists():
                return Clip(str(file), start, end, rate)
    raise Unusable(f"the video {name} is in none of {', '.join(folders)}")


_VIDEOMME = ("data", "videos", "video", ".")


def _videomme(first: str, last: str) -> Callable[[Row], tuple[Part, ...]]:
    def ask(row: Row) -> tuple[Part, ...]:
        text = "\n".join([first, row.text("question"), *row.texts("options"), last])
        return (_clip(row, _VIDEOMME, row.text("videoID")), Text(text))

    return ask


def _subtitled(row: Row) -> tuple[Part, ...]:
    """All subtitles in front, as the authors' page has it."""
    file = row.folder / "subtitle" / f"{row.text('videoID')}.srt"
    said = _spoken(file) if file.is_file() else "No subtitles available"
    clip, question = _videomme(SELECT_WITH, "The best answer is:")(row)
    assert isinstance(question, Text)
    return (clip, Text(f"This video's subtitles are listed below: \n{said}\n{question.text}"))


def _spoken(file: Path) -> str:
    """The words of an .srt file: neither numbers, nor times, nor marks of fonts."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    spoken = [line for line in lines if line.strip() and not line.strip().isdigit() and "-->" not in line]
    return "\n".join(line.partition(">")[2].partition("</")[0] if line.startswith("<font") else line for line in spoken)


def _judge_videomme(reference: video.VideommeReference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        letter = video.videomme(reply, reference)
        return Judged(letter, float(letter == gold["answer"]))

    return judge


def _videomme_sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """What cannot be read is left out of every count, as officially; the last figure counts it as wrong."""
    read = [record for record in records if record.judged.parsed is not None]
    kinds = ("duration", "domain", "task")
    official = [mean("accuracy", scores(read)), *(one for kind in kinds for one in grouped(read, kind))] if read else []
    return (*official, mean("accuracy, unread is wrong", scores(records)))


def _long_options(row: Row) -> dict[str, str]:
    several = [row[f"option{place}"] for place in range(5)]
    return lettered([str(one) for one in several if one != "N/A"])


def _long(row: Row) -> tuple[Part, ...]:
    text = f"{row.text('question')}\n{listed(_long_options(row))}\n{LETTER}"
    return (_clip(row, ("videos", ".", "data"), row.text("video_path")), Text(text))


def _long_gold(row: Row) -> Mapping[str, Any]:
    options = _long_options(row)
    return {"id": row["id"], "answer": list(options)[int(row["correct_choice"])], "letters": list(options)}


def _judge_long(reference: video.LongReference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        letter = video.longvideobench(reply, reference)
        counted = letter
        if letter is None and reference == "lmms-eval":
            counted = random.Random(f"{SEED} {gold['id']}").choice(gold["letters"])
        return Judged(letter, float(counted == gold["answer"]))

    return judge


FOLDERS = {
    "object_interaction": "star/Charades_v1_480", "action_sequence": "star/Charades_v1_480",
    "action_prediction": "star/Charades_v1_480", "action_localization": "sta/sta_video",
    "moving_count": "clevrer/video_validation", "fine_grained_pose": "nturgbd", "character_order": "perception/videos",
    "object_shuffle": "perception/videos", "egocentric_navigation": "vlnqa", "moving_direction": "clevrer/video_validation",
    "episodic_reasoning": "tvqa/frames_fps3_hq", "fine_grained_action": "Moments_in_Time_Raw/videos",
    "scene_transition": "scene_qa/video", "state_change": "perception/videos", "moving_attribute": "clevrer/video_validation",
    "action_antonym": "ssv2_video", "unexpected_action": "FunQA_test/test",
    "counterfactual_inference": "clevrer/video_validation", "object_existence": "clevrer/video_validation",
    "action_count": "perception/videos",
}  # fmt: skip
"""Where each of the twenty tasks keeps its videos (episodic_reasoning: folders of frames)."""

FRAMES_A_SECOND = 3.0
"""In those folders."""

CAREFULLY = (
    "Carefully watch the video and pay attention to the cause and sequence of events, the detail and movement of objects, and "
    "the action and pose of persons. Based on your observations, select the best option that accurately addresses the question."
)


def _mv_rows(row: Row) -> Iterator[Row]:
    """The task is the file's name."""
    yield Row({**row.values, "task": row.where.partition(".")[0]}, row.folder, row.where)


def _mv_clip(row: Row) -> Clip:
    own = FOLDERS[row.text("task")]
    rate = FRAMES_A_SECOND if "frames" in own else 1.0
    return _clip(row, (f"video/{own}", own), row.text("video"), row.get("start"), row.get("end"), rate)


def _mv_options(row: Row) -> str:
    return listed(lettered(row.texts("candidates")), "({}) {}")


def _mvbench(row: Row) -> tuple[Part, ...]:
    words = f"{CAREFULLY}\nQuestion: {row.text('question')}\nOptions:\n{_mv_options(row)}\nOnly give the best option."
    return (_mv_clip(row), Text(words))


def _mvbench_lmms(row: Row) -> tuple[Part, ...]:
    return (_mv_clip(row), Text(f"Question:{row.text('question')}\nOption:\n{_mv_options(row)}\nOnly give the best option.\n"))


def _mv_gold(row: Row) -> Mapping[str, Any]:
    options, answer = row.texts("candidates"), row.text("answer")
    if answer not in options:
        raise Unusable(f"the answer {answer!r} is none of the candidates")
    letter = list(lettered(options))[options.index(answer)]
    return {"gold": f"({letter}) {answer}"}


def _judge_mv(reference: video.MvbenchReference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        return Judged(reply.strip() or None, float(video.mvbench(reply, gold["gold"], reference)))

    return judge


def _mv_sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """The mean of the twenty tasks, then each."""
    tasks = [mean(name, scores(several)) for name, several in sorted(by(records, "task").items())]
    return (macro("mean of tasks", tasks), *tasks)


TASKS = (
    Task(
        name="videomme",
        title="Video-MME",
        paper="2405.21075",
        layouts=(hub("lmms-lab/Video-MME", "videomme"),),
        id=lambda row: row.text("question_id"),
        prompts={
            "Video-MME": _videomme(SELECT, "The best answer is:"),
            "Video-MME with subtitles": _subtitled,
            "lmms-eval": _videomme(SELECT_WITH, LETTER.strip()),
        },
        gold=lambda row: {"answer": row.text("answer")},
        groups=lambda row: {
            "duration": row.text("duration"), "domain": row.text("domain"), "task": row.text("task_type")
        },
        judges={kind: _judge_videomme(kind) for kind in ("Video-MME", "VLMEvalKit", "lmms-eval")},
        sums=_videomme_sums,
        max_tokens=16,
    ),
    Task(
        name="longvideobench",
        title="LongVideoBench",
        paper="2407.15754",
        splits=("validation",),
        layouts=(
            Layout(("{split}-*.parquet", "data/{split}-*.parquet"), repo="longvideobench/LongVideoBench"),
            Layout(("lvb_{split}.json",), split="val"),
        ),
        id=lambda row: row.text("id"),
        prompts={"lmms-eval": _long},
        gold=_long_gold,
        groups=lambda row: {"duration": str(row["duration_group"]), "question category": row.text("question_category")},
        judges={"lmms-eval": _judge_long("lmms-eval"), "VLMEvalKit": _judge_long("VLMEvalKit")},
        max_tokens=32,
        note="subtitles are not shown",
    ),
    Task(
        name="mvbench",
        title="MVBench",
        paper="2311.17005",
        splits=("json",),
        layouts=(Layout(("{split}/*.json",), _mv_rows, "OpenGVLab/MVBench"),),
        id=lambda row: row.where,
        prompts={"MVBench": _mvbench, "lmms-eval": _mvbench_lmms},
        gold=_mv_gold,
        groups=lambda row: {"task": row.text("task")},
        judges={"MVBench": _judge_mv("MVBench"), "lmms-eval": _judge_mv("lmms-eval")},
        sums=_mv_sums,
        max_tokens=16,
        note='the authors\' prompt begins the answer with "Best option:(", which is left out here',
    ),
)  # fmt: skip
