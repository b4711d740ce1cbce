# SPDX-License-Identifier: Apache-2.0
"""Frames of a camera or a video, computed by two boards, several under way at once.

Run it with ``python tutorials/video_over_two_boards.py [SOURCE] [EDGES.avi]``, with a video file or
the number of a camera as SOURCE; without one it makes a small video of its own. It needs OpenCV
(``pip install opencv-python-headless``) and takes some seconds.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import tvm
from tvm import relay

import flexpie_tvm

WIDTH, HEIGHT = 320, 240
GREY = np.array([0.114, 0.587, 0.299], "float32")  # of OpenCV's blue, green and red
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")


def network() -> tvm.IRModule:
    """How strong the edges of a picture are: stands for a trained network."""
    image = relay.var("image", shape=(1, 3, HEIGHT, WIDTH))
    grey = relay.nn.conv2d(image, relay.const(GREY.reshape(1, 3, 1, 1)), kernel_size=(1, 1))
    ways = relay.const(np.stack([SOBEL, SOBEL.T])[:, None])
    slopes = relay.nn.conv2d(grey, ways, channels=2, kernel_size=(3, 3), padding=(1, 1))
    strength = relay.sqrt(relay.sum(slopes * slopes, axis=1))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([image], strength)))


def pictures(source: str) -> Iterator[np.ndarray]:
    """Frames of a camera or a file, in OpenCV's layout: height x width x 3, of bytes."""
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not capture.isOpened():
        sys.exit(f"'{source}' is neither a camera nor a video that OpenCV reads")
    try:
        while True:
            there, picture = capture.read()
            if not there:
                return
            yield cv2.resize(picture, (WIDTH, HEIGHT))
    finally:
        capture.release()


def as_input(picture: np.ndarray) -> dict[str, np.ndarray]:
    """What the network takes: 1 x 3 x height x width, from 0 to 1."""
    return {"image": picture.transpose(2, 0, 1)[None].astype("float32") / 255}


def by_opencv(picture: np.ndarray) -> np.ndarray:
    """The same edges, to compare with."""
    grey = (picture.astype("float32") / 255) @ GREY
    slopes = [cv2.filter2D(grey, -1, k, borderType=cv2.BORDER_CONSTANT) for k in (SOBEL, SOBEL.T)]
    return np.hypot(*slopes)


def own_video(path: Path) -> str:
    """A square that moves over a grey ground."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (WIDTH, HEIGHT))
    for k in range(50):
        picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        cv2.rectangle(picture, (20 + 4 * k, 80), (80 + 4 * k, 140), (40, 160, 240), -1)
        writer.write(picture)
    writer.release()
    return str(path)


def main(source: str, edges: Path, folder: Path) -> None:
    """Compile for two boards, let the frames through, and write what comes out as a video."""
    # auto would leave a network as small as this on one board; rows are cut here
    artifact = flexpie_tvm.compile(network(), folder / "edges.flexpie", 2, scheme="InH")
    writer = cv2.VideoWriter(str(edges), cv2.VideoWriter.fourcc(*"MJPG"), 25, (WIDTH, HEIGHT))
    # boards of your own: Cluster.connect(("tracker.local", 9190), "pi4", 2)
    with (
        flexpie_tvm.local_boards(2) as own,
        flexpie_tvm.Cluster.connect((own.host, own.port), own.key, 2) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        count, start = 0, time.monotonic()
        # Answers come in the order of the frames. A camera is asked for as many frames more as are
        # in flight, and waits then: nothing piles up. Should a board get lost, `on_board_lost=
        # "replan"` runs frames that were under way on the one that is left.
        for (strength,) in deployment.stream(map(as_input, pictures(source)), in_flight=4):
            grey = np.clip(strength[0] * 64, 0, 255).astype(np.uint8)
            writer.write(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
            count += 1
        seconds = time.monotonic() - start
        picture = next(pictures(source))
        (found,) = deployment.run(as_input(picture))
    writer.release()
    print(f"{count} frames, {count / seconds:.0f} a second")
    print(f"largest difference to OpenCV: {np.abs(found[0] - by_opencv(picture)).max():.1e}")
    print(f"edges: {edges.name}, {edges.stat().st_size} bytes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        given = sys.argv[1] if len(sys.argv) > 1 else own_video(room / "square.avi")
        main(given, Path(sys.argv[2]) if len(sys.argv) > 2 else room / "edges.avi", room)
