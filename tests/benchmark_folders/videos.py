# ruff: noqa: E501
"""Benchmarks of videos."""

from benchmark_folders.writing import Example, both, files, hub

WATCHED = {
    "video_id": "001", "videoID": "abc", "duration": "short", "domain": "Knowledge", "sub_category": "Law",
    "task_type": "Counting Problem", "question_id": "001-1", "question": "How many?",
    "options": ["A. One.", "B. Two.", "C. Three.", "D. Four."], "answer": "C",
}  # fmt: skip

SEEN: dict[str, list[Example]] = {
    "videomme": [
        Example(
            both(hub("videomme/test-00000-of-00001.parquet", [WATCHED]), files({"data/abc.mp4": b"x"})),
            "Select the best answer to the following multiple-choice question based on the video. Respond with only the letter "
            "(A, B, C, or D) of the correct option.\nHow many?\nA. One.\nB. Two.\nC. Three.\nD. Four.\nThe best answer is:",
            "C. Three", "Answer: C", parsed="C",
        ),
        Example(
            both(
                hub("videomme/test-00000-of-00001.parquet", [WATCHED]),
                files({"data/abc.mkv": b"x", "subtitle/abc.srt": "1\n00:00:01,000 --> 00:00:02,000\n"
                                                       '<font color="white" size=".72c">Hello there</font>\n'}),
            ),
            "This video's subtitles are listed below: \nHello there\nSelect the best answer", "C", "",
            prompt="Video-MME with subtitles",
        ),
    ],
    "longvideobench": [
        Example(
            both(
                hub("data/validation-00000-of-00001.parquet", [
                    {"id": "v_0", "video_path": "v.mp4", "question": "Who?", "option0": "he", "option1": "she", "option2": "N/A",
                     "option3": "N/A", "option4": "N/A", "correct_choice": 1, "subtitle_path": "v.json", "duration_group": 60,
                     "question_category": "S2E"}]),
                files({"videos/v.mp4": b"x"}),
            ),
            "Who?\nA. he\nB. she\nAnswer with the option's letter from the given choices directly.\n", "B. she", "A",
        )
    ],
    "mvbench": [
        Example(
            files({
                "json/action_sequence.json": [
                    {"video": "ZS9XR.mp4", "question": "What happened?", "candidates": ["ran", "sat"], "answer": "sat",
                     "start": 11.1, "end": 19.6}],
                "video/star/Charades_v1_480/ZS9XR.mp4": b"x",
            }),
            "Question: What happened?\nOptions:\n(A) ran\n(B) sat\nOnly give the best option.", "(B) sat", "Answer: B",
        )
    ],
}  # fmt: skip
