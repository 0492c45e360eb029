"""The receiver behind a server: as labkit's Flask app, and in the two others of docs/receiver.md, on real sockets."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
from flask.testing import FlaskClient

from labkit import EventSource, RealClock, signature
from labkit.approaches.webhook import register
from labkit.clock import VirtualClock
from labkit.receiver import Inbox, Receiver
from labkit.receiver.app import receiver_app
from labkit.server import serve
from labkit.wire import LARGEST_BODY

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EPOCH = 1_700_000_000
BODY = json.dumps({"id": "evt_1", "type": "a", "timestamp": "t", "data": {}}).encode()
JSON = {"Content-Type": "application/json"}


def padded(size: int) -> bytes:
    return BODY + b" " * (size - len(BODY))


def signed(body: bytes) -> dict[str, str]:
    return {**JSON, **signature.headers(SECRET, "evt_1", EPOCH, body)}


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with closing(Inbox()) as made:
        yield made


@pytest.fixture
def client(inbox: Inbox) -> FlaskClient:
    return receiver_app(Receiver([SECRET], inbox), VirtualClock(epoch=EPOCH)).test_client()


def test_the_reply_of_the_core_is_the_answer(client: FlaskClient, inbox: Inbox) -> None:
    answer = client.post("/hook", data=BODY, headers=signed(BODY))
    assert (answer.status_code, answer.data, inbox.effects()) == (200, b"", 1)
    refused = client.post("/hook", data=BODY, headers=JSON)
    assert (refused.status_code, refused.mimetype) == (401, "text/plain")
    assert refused.text == "webhook-id must be given once, got 0 of them\n"


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, LARGEST_BODY + 2, 10 * LARGEST_BODY])
def test_a_chunked_body_over_the_limit_is_413_and_never_cut_short(client: FlaskClient, inbox: Inbox, size: int) -> None:
    """Signed as it would stand if it were cut at the limit."""
    environ: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    headers = signed(padded(LARGEST_BODY))
    environ["wsgi.input"] = BytesIO(padded(size))
    refused = client.post("/hook", headers=headers, environ_overrides=environ)
    assert (refused.status_code, refused.mimetype, refused.text.count("\n")) == (413, "text/plain", 1)
    assert inbox.effects() == 0
    environ["wsgi.input"] = BytesIO(padded(LARGEST_BODY))
    assert client.post("/hook", headers=headers, environ_overrides=environ).status_code == 200


def test_a_length_of_a_gigabyte_is_413_at_once(client: FlaskClient) -> None:
    class Silent:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("the body was read")

        readinto = readline = read

    environ: dict[str, Any] = {"CONTENT_LENGTH": "1000000000", "wsgi.input": Silent()}
    answer = client.post("/hook", headers=JSON, environ_overrides=environ)
    assert (answer.status_code, answer.text) == (413, "Request Entity Too Large\n")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_another_method_is_405(client: FlaskClient, inbox: Inbox, method: str) -> None:
    answer = client.open("/hook", method=method, data=BODY, headers=signed(BODY))
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert (answer.mimetype, answer.text) == (
        "text/plain",
        "" if method == "HEAD" else "Method Not Allowed: POST /hook is here\n",
    )
    assert inbox.effects() == 0


@pytest.mark.parametrize("path", ["/", "/hook/", "/hooks", "/\0", "/../../etc/passwd"])
def test_another_path_is_404(client: FlaskClient, inbox: Inbox, path: str) -> None:
    answer = client.post("/", data=BODY, headers=signed(BODY), environ_overrides={"PATH_INFO": path})
    assert (answer.status_code, answer.mimetype, answer.text) == (404, "text/plain", "Not Found: POST /hook is here\n")
    assert inbox.effects() == 0


# --- docs/receiver.md


PAGE = (Path(__file__).parent.parent / "docs" / "receiver.md").read_text(encoding="utf-8")


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


def wsgi_server(page: dict[str, Any]) -> HTTPServer:
    return make_server("127.0.0.1", 0, page["app"], handler_class=_QuietHandler)


def http_server(page: dict[str, Any]) -> HTTPServer:
    hook: type[BaseHTTPRequestHandler] = page["Hook"]
    hook.log_message = _QuietHandler.log_message  # type: ignore[method-assign, assignment]
    return ThreadingHTTPServer(("127.0.0.1", 0), hook)


@contextmanager
def running(server: HTTPServer) -> Iterator[str]:
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("made", [wsgi_server, http_server])
def test_the_pages_receivers_book_a_real_delivery_once_and_answer_as_the_page_says(
    made: Callable[[dict[str, Any]], HTTPServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the page's inbox is
    page: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, page)
    receiver: Receiver = page["receiver"]
    clock = RealClock()

    def is_settled() -> bool:
        return source.outbox.counts()["pending"] == 0

    with (
        closing(receiver.inbox),
        closing(EventSource(clock)) as source,
        serve(source.app) as api,
        running(made(page)) as url,
        httpx.Client(base_url=api.url, trust_env=False) as http,
    ):
        register(http, url, receiver.secrets)
        event = http.post("/events", json={"type": "payment.received", "data": {"amount": "12.50"}}).json()
        clock.run(until=clock.now() + 10, done=is_settled)
        (subscription,) = http.get("/subscriptions").json()["subscriptions"]
        path = f"/subscriptions/{subscription['id']}"
        http.post(f"{path}/redeliver", json={"since": ""}).raise_for_status()
        clock.run(until=clock.now() + 10, done=is_settled)
        attempts = http.get(f"{path}/attempts").json()["attempts"]
        assert [(each["event"], each["status"]) for each in attempts] == [(event["id"], 200)] * 2
        assert receiver.inbox._db.read("SELECT * FROM bookings") == [(event["id"], "12.50")]
        for body, headers, status in (
            (b"{}", JSON, 401),
            (b"{}", {"Content-Type": "text/plain"}, 415),
            (b"x" * (LARGEST_BODY + 1), JSON, 413),
            (b"", {}, 415),
        ):
            assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == status
        now = int(clock.epoch + clock.now())
        for length in ("-1", "abc", "\xb2", "+2", "9" * 5000):
            with closing(HTTPConnection(httpx.URL(url).netloc.decode(), timeout=5)) as connection:
                connection.request("POST", "/hook", headers={**JSON, "Content-Length": length})
                assert connection.getresponse().status == 401, length
        nonsense = {**JSON, **signature.headers(receiver.secrets[0], "evt_1", now, b"{")}
        assert httpx.post(url, content=b"{", headers=nonsense, trust_env=False).status_code == 422
