"""The process in which a video is decoded: an order (JSON: path, numbers of frames) on stdin; one line of JSON and the frames'
bytes, RGB, on stdout. What it needs of time and memory is limited, and what a decoder says goes nowhere."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

CPU_SECONDS, MEMORY = 300, 8 << 30
KIND = {"error": "shows no frame: damaged, or of a kind that is not decoded, such as AV1; save it again as MP4 with H.264"}
BROKEN = {"error": "is damaged or cut short: fetch or save it again"}
LATE = 2
"""Headers may count so many frames too many, where these are told by time."""


def limit() -> None:
    """CPU seconds, address space, and no file written."""
    if sys.platform == "win32":
        return
    import resource

    for what, most in ((resource.RLIMIT_CPU, CPU_SECONDS), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0)):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def obey(order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What a video is, and the frames that are wanted of it."""
    import cv2

    cv2.setNumThreads(1)
    video = cv2.VideoCapture(order["path"], cv2.CAP_FFMPEG)
    width, height = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if not video.isOpened() or min(width, height) < 1:
        return KIND, b""
    if width * height > order["pixels"]:
        return {
            "error": f"has frames of {width} x {height}, above the limit of {order['pixels']:,} pixels: make it smaller"
        }, b""
    known = {"frames": video.get(cv2.CAP_PROP_FRAME_COUNT), "rate": video.get(cv2.CAP_PROP_FPS)}
    wanted = order["numbers"] or [0]
    frames, reached, last = {}, -1, wanted[-1]
    for number in range(last + 1):
        if not video.grab():
            break
        if number in wanted or number + LATE >= last:
            read, frames[number] = video.retrieve()
            if not read:
                return BROKEN if reached >= 0 else KIND, b""
        reached = number
    if reached < 0:
        return KIND, b""
    if reached + LATE < last or len({frame.shape for frame in frames.values()}) != 1:
        return BROKEN, b""
    height, width = frames[reached].shape[:2]
    kept = [frames.get(number, frames[reached]) for number in order["numbers"]]
    return known | {"width": width, "height": height}, b"".join(cv2.cvtColor(one, cv2.COLOR_BGR2RGB).tobytes() for one in kept)


def main() -> None:
    """Obeys one order from standard input, within limits of memory and time: facts as a line of JSON, then frames as bytes."""
    order = json.load(sys.stdin)
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    limit()
    try:
        known, data = obey(order)
    except MemoryError:
        known, data = {"error": "needs more memory than is given to a video: make it smaller"}, b""
    with os.fdopen(out, "wb") as stdout:
        stdout.write(json.dumps(known).encode() + b"\n" + data)


if __name__ == "__main__":
    main()
