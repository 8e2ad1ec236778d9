"""Models behind APIs, against a real server on this machine: what is sent, what is kept, and every way to fail."""

import base64
import email.utils
import io
import json
import logging

import numpy as np
import pytest
from chat_server import ChatServer, chat_server, chunk, cut, events, fails, message, plain, says, slow, usage
from PIL import Image

import chiasm
from chiasm.assistant import Delta, Done, Request
from chiasm.errors import BadPicture, BadPrompt, RemoteFailure, Unsupported, UserError
from chiasm.generate.cycles import Cycle
from chiasm.generate.sampling import Contrast, Sampling
from chiasm.pixels.clips import Clip
from chiasm.prompt.messages import Image as Shown
from chiasm.prompt.messages import Message, Text, question
from chiasm.remote.answers import Answers
from chiasm.remote.assistant import RemoteAssistant
from chiasm.remote.bill import Bill
from chiasm.remote.call import Call, honoured
from chiasm.remote.failures import Retries, retry_after
from chiasm.remote.names import Endpoint, parse
from chiasm.remote.openai_chat import COMMON
from chiasm.remote.pace import Pace

KEY = "sk-very-secret-0123456789"
PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("CHIASM_API_KEY", KEY)
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path / "home"))


@pytest.fixture
def server():
    with chat_server(says("A ", "cat.")) as running:
        yield running


class Waits(list):
    """Seconds that were to be slept."""


@pytest.fixture
def waits():
    return Waits()


def at(server: ChatServer, waits: Waits, api="openai", **settings) -> RemoteAssistant:
    url = f"{server.url}/v1" if api == "openai" else server.url
    endpoint = parse(f"{api}:m@{url}")
    assert isinstance(endpoint, Endpoint)
    return RemoteAssistant(endpoint, retries=Retries(tries=3, sleep=waits.append), **settings)


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


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_rate_limit_is_waited_for_as_long_as_it_asks(server, waits):
    server.script += [fails(429, "slow down", retry_after="7")]
    assert at(server, waits).ask("What is this?").text == "A cat."
    assert waits == [7.0]


def test_a_wait_of_hours_is_not_waited_for(server, waits):
    server.script += [fails(429, "come tomorrow", retry_after="86400")]
    with pytest.raises(RemoteFailure, match="asks to wait 86400 s"):
        at(server, waits).ask("What is this?")
    assert waits == []


def test_retry_after_may_be_a_date():
    assert retry_after({"retry-after": email.utils.formatdate(1030.0, usegmt=True)}, now=lambda: 1000.0) == 30.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_spent_quota_is_not_tried_again(server, waits):
    server.script += [fails(429, "you have no credit", "insufficient_quota")]
    with pytest.raises(RemoteFailure, match="no credit"):
        at(server, waits).ask("What is this?")
    assert waits == []


@pytest.mark.parametrize(
    "trouble",
    [
        fails(500, "oh"),
        fails(503, "busy"),
        cut(),
        cut("A "),
        plain("data: {broken\n\n"),
        plain("data: [1, 2]\n\n"),
        plain(events({"error": {"message": "lost a worker"}})),
        plain("<html>gateway</html>", "text/html"),
    ],
)
def test_what_passes_is_tried_again_ever_later(server, waits, trouble):
    server.script += [trouble, trouble]
    stream = at(server, waits).stream("What is this?")
    assert "".join(stream) == stream.answer.text == "A cat."
    assert len(waits) == 2
    assert 0.75 <= waits[0] <= 1.0 and 1.5 <= waits[1] <= 2.0


def test_what_does_not_pass_ends_in_one_sentence(server, waits):
    server.usual = fails(500, "oh")
    with pytest.raises(RemoteFailure, match=r"failed 3 times: status 500: .*oh"):
        at(server, waits).ask("What is this?")


def test_a_cut_stream_that_goes_on_otherwise_is_not_glued_together(server, waits):
    server.script += [cut("The ")]
    with pytest.raises(RemoteFailure, match="something else"):
        at(server, waits).ask("What is this?")


def test_a_slow_service_is_not_waited_for_for_ever(server, waits):
    server.script += [slow(1.0)]
    assert at(server, waits, timeout=0.3).ask("What is this?").text == "A cat."
    assert len(waits) == 1


def test_a_service_that_is_not_there_is_named(waits):
    endpoint = parse("openai:m@http://127.0.0.1:9/v1")
    with pytest.raises(RemoteFailure, match=r"127\.0\.0\.1:9.*connection failed"):
        RemoteAssistant(endpoint, retries=Retries(tries=2, sleep=waits.append)).ask("What is this?")


def test_a_filter_and_a_bad_picture_are_the_requests_own_fault(server, waits):
    server.script += [says("No", reason="content_filter")]
    with pytest.raises(BadPrompt, match="filter"):
        at(server, waits).ask("What is this?")
    with pytest.raises(BadPicture, match="no such file"):
        at(server, waits).ask("What is this?", "nowhere.png")


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_appears_nowhere(server, waits, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    server.script += [fails(500, f"Bearer {KEY} broke"), fails(401, f"Incorrect API key provided: {KEY}")]
    assistant = at(server, waits)
    with pytest.raises(RemoteFailure, match="CHIASM_API_KEY") as refused:
        assistant.ask("What is this?")
    server.script += [fails(400, f"no {KEY} and no sk-proj-abcdef*****wxyz")]
    with pytest.raises(BadPrompt) as bad:
        assistant.ask("What is this?")
    assistant.ask("What is this?")
    files = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    out = "".join(capfd.readouterr())
    for text in (str(refused.value), str(bad.value), caplog.text, out, files, repr(assistant), repr(vars(assistant))):
        assert KEY not in text
        assert "abcdef" not in text


def test_a_service_is_sent_its_own_key_only(server, waits, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-123456")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-anthropic-123456")
    monkeypatch.delenv("CHIASM_API_KEY")
    at(server, waits).ask("What is this?")
    server.usual = message("A cat.")
    at(server, waits, "anthropic").ask("What is this?")
    assert not [heard for heard in server.heard if "sk-of" in str(heard.headers)]


def test_a_redirect_is_not_followed(server, waits):
    with chat_server(says("Thanks for the key")) as thief:
        server.script += [fails(307, "elsewhere", location=f"{thief.url}/v1/chat/completions")]
        with pytest.raises(RemoteFailure, match="307"):
            at(server, waits).ask("What is this?")
        assert thief.heard == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("openai:gpt-4o", "OPENAI_API_KEY"),
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("openai:m@http://example.org/v1", "plain http"),
        ("openai:m@https://me:secret@example.org/v1", "environment"),
        ("openai:m@https://example.org/v1?key=secret", "environment"),
        ("openai:", "names no model"),
        ("transformers:", "names no folder"),
        ("transformers:nowhere", "no such folder"),
    ],
)
def test_names_that_cannot_be_used_say_why(name, why):
    with pytest.raises(UserError, match=why) as refused:
        chiasm.load(name)
    assert "secret" not in str(refused.value)


def test_names_that_can_be_used_are_loaded(server):
    assert chiasm.load(f"openai:m@{server.url}/v1").ask("What is this?").text == "A cat."
    assert parse("llava-1.5:7b") is None
    assert parse("owner/name") is None


# --- the rest ---------------------------------------------------------------------------------------------------------


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


def test_given_answers_are_scored_where_the_server_tells_a_prompts_log_probabilities(server, waits):
    def told(handler, body):
        words = " ".join(part["content"] for part in body["messages"]).split()
        if not body["add_generation_prompt"] and not body["continue_final_message"]:
            words += ["<end>", "\n"]
        places = [None, *({word: {"logprob": -float(len(word)), "rank": 1}} for word in words)]
        choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "x"}}
        whole = {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "prompt_logprobs": places,
        }
        plain(json.dumps(whole), "application/json")(handler, body)

    server.usual = told
    asked = Request((question("Cat or dog?"),))
    assert at(server, waits).capabilities == {"generate", "score"}
    scores = at(server, waits).score(asked, ["a cat", "hound"], "beginning")
    assert [(score.option, score.logprob, score.tokens) for score in scores] == [("a cat", -4.0, 2), ("hound", -5.0, 1)]
    # Of what the template writes after an answer the first token is its end.
    scores = at(server, waits).score(asked, ["a cat", "hound"])
    assert [(score.logprob, score.tokens) for score in scores] == [(-9.0, 3), (-10.0, 2)]
    heard = len(server.heard)
    assert at(server, waits).score(asked, ["a cat", "hound"]) == scores
    assert at(server, waits).capabilities == {"generate", "score"} and len(server.heard) == heard
    server.usual = fails(400, "unknown field prompt_logprobs")
    with pytest.raises(Unsupported):
        at(server, waits).score(asked, ["cat"])
    assert at(server, waits).capabilities == {"generate"}
    with pytest.raises(Unsupported):
        at(server, waits, "anthropic").score(asked, ["cat"])


@pytest.mark.parametrize("status", [400, 422])
def test_whether_it_scores_is_asked_once(server, waits, status):
    server.usual = fails(status, "unknown field")
    assistant = at(server, waits)
    assert assistant.capabilities == at(server, waits).capabilities == assistant.capabilities == {"generate"}
    assert len(server.heard) == 1


def test_a_service_that_fails_is_not_taken_for_one_that_cannot_score(server, waits):
    server.usual = fails(500, "oh")
    with pytest.raises(RemoteFailure, match="failed 3 times"):
        assert at(server, waits).capabilities
    server.usual = fails(400, "unknown field")
    assert at(server, waits).capabilities == {"generate"}


def test_a_server_that_passes_over_the_question_does_not_score(server, waits):
    """As llama.cpp and Ollama do with fields that they do not know."""
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "x"}}
    whole = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    server.usual = plain(json.dumps(whole), "application/json")
    assert at(server, waits).capabilities == {"generate"}


def test_services_that_never_score_are_not_asked(server, waits):
    assert at(server, waits, "anthropic").capabilities == {"generate"}
    assert server.heard == []
