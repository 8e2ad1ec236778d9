"""Models behind APIs, against a real server on this machine: what is sent, what is kept, and every way to fail."""

import base64
import io

import numpy as np
import pytest
from chat_server import chunk, events, fails, message, plain, usage
from PIL import Image
from services import KEY, PICTURE, at

from chiasm.assistant import Delta, Done, Request
from chiasm.errors import BadPrompt, Unsupported
from chiasm.generate.cycles import Cycle
from chiasm.generate.sampling import Contrast, Sampling
from chiasm.pixels.clips import Clip
from chiasm.prompt.messages import Image as Shown
from chiasm.prompt.messages import Message, Text, question
from chiasm.remote.answers import Answers
from chiasm.remote.bill import Bill
from chiasm.remote.call import Call, honoured
from chiasm.remote.names import Endpoint
from chiasm.remote.openai_chat import COMMON
from chiasm.remote.pace import Pace


def test_a_picture_is_sent_upright_and_without_its_files_other_data(server, waits, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "where I live"
    Image.fromarray(PICTURE).save(tmp_path / "turned.png", exif=exif)
    answer = at(server, waits).ask("What is this?", tmp_path / "turned.png", max_tokens=7)
    assert (answer.text, answer.finish_reason) == ("A cat.", "stop")
    assert (answer.usage.text_tokens, answer.usage.generated_tokens) == (31, 2)
    [heard] = server.heard
    assert heard.path == "/v1/chat/completions"
    assert heard.headers["authorization"] == f"Bearer {KEY}"
    assert (heard.body["model"], heard.body["max_tokens"]) == ("m", 7)
    [turn] = heard.body["messages"]
    shown, words = turn["content"]
    assert words == {"type": "text", "text": "What is this?"}
    data = base64.b64decode(shown["image_url"]["url"].removeprefix("data:image/png;base64,"))
    assert b"where I live" not in data
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.rot90(PICTURE, -1))


def test_a_rerun_makes_no_request(server, waits):
    first = at(server, waits).ask("What is this?", PICTURE)
    again = at(server, waits)
    assert again.ask("What is this?", PICTURE).text == first.text
    assert len(server.heard) == 1
    assert again.bill == Bill(kept=1)


@pytest.mark.parametrize(
    "other",
    [
        {"text": "What is that?"},
        {"picture": PICTURE[::-1].copy()},
        {"max_tokens": 9},
        {"stop": ["."]},
        {"sampling": Sampling()},
        {"sampling": Sampling(temperature=0.5, seed=1)},
    ],
)
def test_whatever_decides_an_answer_tells_kept_ones_apart(server, waits, other):
    def asked(text="What is this?", picture=PICTURE, **settings):
        at(server, waits).ask(text, picture, **settings)

    asked()
    asked(**other)
    asked(**other)
    assert len(server.heard) == 2


def test_a_fresh_draw_is_not_answered_from_what_is_kept(server, waits):
    for _ in range(2):
        at(server, waits).ask("What is this?", sampling=Sampling(temperature=1.0))
    assert len(server.heard) == 2


def test_a_kept_answer_that_is_damaged_is_asked_for_again(server, waits, tmp_path):
    at(server, waits, answers=Answers(tmp_path)).ask("What is this?")
    [kept] = tmp_path.rglob("*.json")
    kept.write_text(kept.read_text()[:20])
    assert at(server, waits, answers=Answers(tmp_path)).ask("What is this?").text == "A cat."
    assert len(server.heard) == 2


def test_text_comes_as_it_is_written(server, waits):
    stream = at(server, waits).stream("What is this?")
    assert list(stream) == ["A ", "cat."]
    assert stream.answer.text == "A cat."


def test_several_are_asked_side_by_side_and_each_ends(server, waits):
    assistant = at(server, waits)
    seen = list(assistant.generate([Request((question(f"What is number {n}?"),)) for n in range(5)]))
    assert sorted(event.request for event in seen if isinstance(event, Done)) == [0, 1, 2, 3, 4]
    assert assistant.bill == Bill(5, 0, 5 * 31, 5 * 2)


def test_what_one_of_several_is_refused_for_does_not_cost_the_others(server, waits):
    server.script += [fails(400, "too long")]
    requests = [Request((question(f"What is number {n}?"),)) for n in range(3)]
    done = []
    with pytest.raises(BadPrompt, match="too long"):
        done.extend(event for event in at(server, waits).generate(requests) if isinstance(event, Done))
    assert len(done) == 2


def test_a_cancelled_answer_ends_and_is_not_kept(server, waits):
    assistant, text = at(server, waits), ""
    for event in assistant.generate([Request((question("What is this?"),))]):
        match event:
            case Delta(text=piece):
                text += piece
                assistant.cancel(0)
            case Done(answer=answer):
                assert (answer.text, answer.finish_reason) == (text, "cancelled")
    assert text == "A "
    assert not list(Answers().folder.rglob("*.json"))


def test_sampling_is_sent_under_the_apis_names_or_refused(server, waits):
    at(server, waits).ask("What is this?", sampling=Sampling(temperature=0.5, top_k=3, top_p=0.9, seed=4), stop=["."])
    body = server.heard[0].body
    assert {name: body[name] for name in ("temperature", "top_k", "top_p", "seed", "stop")} == {
        "temperature": 0.5, "top_k": 3, "top_p": 0.9, "seed": 4, "stop": ["."],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("api", "sampling", "name"),
    [
        ("openai", Sampling(forbidden_ids=(3,)), "forbidden_ids"),
        ("openai", Sampling(contrast=Contrast(), max_length=9), "contrast, max_length"),
        ("openai", Sampling(cycle=Cycle(times=9)), "cycle"),
        ("anthropic", Sampling(temperature=0.5, seed=4), "seed"),
        ("anthropic", Sampling(temperature=0.5, min_p=0.1), "min_p"),
    ],
)
def test_what_an_api_has_no_word_for_is_refused_by_name(server, waits, api, sampling, name):
    with pytest.raises(Unsupported, match=f"cannot honour {name}: leave that out"):
        at(server, waits, api).ask("What is this?", sampling=sampling)
    assert server.heard == []


def test_openais_own_service_is_not_sent_what_others_added():
    endpoint = Endpoint("openai", "m", "https://api.openai.com/v1", "openai:m")
    for sampling in (Sampling(temperature=1.0, top_k=3), Sampling(temperature=1.0, min_p=0.1), Sampling(min_new_tokens=2)):
        with pytest.raises(Unsupported, match=r"cannot honour (top_k|min_p|min_new_tokens)"):
            honoured(Call(endpoint, (), 1, sampling, ()), COMMON)


def test_that_nothing_counts_as_repetition_asks_a_service_for_nothing(server, waits):
    assert at(server, waits).ask("What is this?", sampling=Sampling(cycle=None)).text == "A cat."


def test_clips_and_read_pages_are_refused(server, waits, tmp_path):
    for picture in (Shown(Clip(tmp_path)), Shown(PICTURE, ("a",), ((0, 0, 1, 1),))):
        with pytest.raises(Unsupported, match=r"cannot (read clips|be given the words)"):
            at(server, waits).chat([Message("user", (picture, Text("What?")))])


def test_a_service_says_who_answered_and_it_is_kept(server, waits):
    told = [{**chunk("A cat."), "model": "m-2026", "system_fingerprint": "fp_1"}, chunk(reason="stop"), usage(3, 1)]
    server.usual = plain(events(*told, "[DONE]"))
    for _ in range(2):
        assert at(server, waits).ask("What is this?").served == {"model": "m-2026", "build": "fp_1"}
    assert len(server.heard) == 1
    server.usual = message("A cat.")
    assert at(server, waits, "anthropic").ask("What is this?").served == {"model": "m"}


def test_a_full_disk_does_not_cost_the_answer(server, waits, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert at(server, waits, answers=Answers(tmp_path / "file")).ask("What is this?").text == "A cat."
    assert "is not kept" in caplog.text


def test_anthropics_api_is_spoken_too(server, waits):
    server.usual = message("A ", "cat.")
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image", "image": PICTURE}, "What?"]},
    ]
    answer = at(server, waits, "anthropic").chat(turns, max_tokens=5, stop=["!"])
    assert (answer.text, answer.finish_reason, answer.usage.text_tokens) == ("A cat.", "stop", 25)
    [heard] = server.heard
    assert heard.path == "/v1/messages"
    assert KEY in (heard.headers.get("x-api-key"), heard.headers.get("authorization", "").removeprefix("Bearer "))
    assert (heard.body["system"], heard.body["stop_sequences"], heard.body["max_tokens"]) == ("Be brief.", ["!"], 5)
    shown, words = heard.body["messages"][0]["content"]
    assert shown["source"]["media_type"] == "image/png"
    assert words == {"type": "text", "text": "What?"}
    server.script += [
        fails(529, "overloaded", retry_after="3"),
        plain("event: message_start\ndata: {\n\n"),
        message("Long", reason="max_tokens"),
    ]
    assert at(server, waits, "anthropic").ask("And this?").finish_reason == "length"
    assert waits[0] == 3.0 and len(waits) == 2


def test_rate_limits_are_kept():
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(requests=2, tokens=100, clock=lambda: now[0], sleep=sleep)
    pace.enter(40)
    now[0] = 10.0
    pace.enter(40)
    pace.enter(40)
    assert slept == [50.0]
    pace.enter(500)
    assert slept == [50.0, 10.0, 50.0]
