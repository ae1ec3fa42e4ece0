"""Simulated HTTP cameras, correct and faulty."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def http_camera(*answers: Answer) -> Iterator[str]:
    """A server that gives its answers in turn and repeats the last one; yields its address."""
    request_number = iter(range(10**9))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):  # the client has disconnected
                answers[min(next(request_number), len(answers) - 1)](self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def parts(
    *bodies: bytes,
    boundary: str = "frame",
    dashes: str = "--",
    newline: str = "\r\n",
    length: bool = True,
    headers: dict[str, str] | None = None,
    between: bytes = b"",
    then_silent: Event | None = None,
) -> Answer:
    """An MJPEG response with these parts; then it ends, or stays open without data until `then_silent` is set."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={boundary}")
        request.end_headers()
        for body in bodies:
            more = {"Content-Type": "image/jpeg", **(headers or {})} | ({"Content-Length": str(len(body))} if length else {})
            head = "".join(f"{name}: {value}{newline}" for name, value in more.items())
            request.wfile.write(f"{dashes}{boundary}{newline}{head}{newline}".encode() + body + newline.encode() + between)
        if then_silent is None:
            request.wfile.write(f"{dashes}{boundary}--{newline}".encode())
        else:
            request.wfile.flush()
            then_silent.wait(30)

    return answer


def plain(body: bytes, kind: str = "image/jpeg", status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def paced(body: Callable[[int], bytes], count: int, pause_s: float) -> Answer:
    """An MJPEG response with `count` pictures, `pause_s` apart."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for number in range(count):
            picture = body(number)
            request.wfile.write(f"--frame\r\nContent-Length: {len(picture)}\r\n\r\n".encode() + picture + b"\r\n")
            request.wfile.flush()
            time.sleep(pause_s)

    return answer


def trickled(until: Event) -> Answer:
    """Starts a picture (of an MJPEG stream, or a single one) and sends one byte every 20 ms until the event is set."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        request.wfile.write(b"--frame\r\n\r\n\xff\xd8")
        while not until.wait(0.02):
            request.wfile.write(b"x")
            request.wfile.flush()

    return answer
