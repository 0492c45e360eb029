"""An `https` endpoint: its certificate is verified for its name, and its address is checked like any other."""

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask

from labkit import EventSource, RealClock
from labkit.ledger import Ledger
from labkit.network.egress import Egress
from labkit.network.sockets import LOOPBACK, SocketNetwork
from labkit.server import serve

ADDRESSES = {"shop.example": "127.0.0.1", "other.example": "127.0.0.1", "inner.example": "10.0.0.1"}
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command makes the certificate")


class Shop(ThreadingHTTPServer):
    """A server of TLS that returns challenges; it keeps the name that it was asked for, and the Host."""

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.asked: list[str | None] = []
        self.hosts: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        context.sni_callback = lambda connection, name, context: self.asked.append(name)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, address: object) -> None:
        """A client that does not trust the certificate leaves: nothing to print."""


class Hook(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.hosts.append(self.headers["Host"])
        body = json.dumps(message["data"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *line: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of shop.example, signed by itself."""
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop.example"]
    options = ["-addext", "subjectAltName=DNS:shop.example", "-keyout", file.with_name("key.pem"), "-out", file]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return file


@pytest.fixture
def shop(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """It is reached under the names of ADDRESSES."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
        return real(ADDRESSES.get(host, host), port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Shop(certificate) as shop:
        Thread(target=shop.serve_forever, args=(0.05,), daemon=True).start()
        yield shop
        shop.shutdown()


def verified(url: str, egress: Egress = LOOPBACK) -> tuple[int, str]:
    """How a source answers when it is to verify an endpoint: the status, and the reason if it could not.

    The connection is closed then, whether by the endpoint or since TLS failed.
    """
    clock = RealClock()
    network = SocketNetwork(clock, Ledger(), egress=egress)
    with closing(EventSource(clock, network)) as source:
        client = source.app.test_client()
        made = client.post("/subscriptions", json={"url": url})
        if made.status_code != 201:
            return made.status_code, made.json["detail"]
        answer = client.post(f"/subscriptions/{made.json['id']}/verify")
        assert not network._streams
        return answer.status_code, answer.json.get("detail", "")


def test_an_endpoint_with_a_trusted_certificate_is_called_by_its_name(
    shop: Shop, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert verified(f"https://shop.example:{shop.server_port}/hook") == (200, "")
    assert (shop.asked, shop.hosts) == (["shop.example"], [f"shop.example:{shop.server_port}"])


@pytest.mark.parametrize(
    ("host", "trusted", "reason"),
    [
        ("shop.example", False, "signed certificate"),
        ("other.example", True, "Hostname mismatch"),
        ("127.0.0.1", True, "IP address mismatch"),
    ],
)
def test_a_certificate_that_cannot_be_verified_is_a_failed_attempt_and_nothing_is_sent(
    shop: Shop, certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, reason: str
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    status, said = verified(f"https://{host}:{shop.server_port}/hook")
    assert (status, shop.hosts) == (422, [])
    assert "certificate verify failed" in said and reason in said


def test_an_https_endpoint_without_tls_is_a_failed_attempt() -> None:
    with serve(Flask("empty")) as plain:
        status, said = verified(f"https://127.0.0.1:{plain.port}/hook")
    assert status == 422 and "did not accept the challenge: ConnectError" in said


def test_the_address_behind_an_https_name_is_checked(shop: Shop) -> None:
    status, said = verified("https://inner.example/hook")
    assert status == 422 and "inner.example is 10.0.0.1, which is not loopback" in said
    status, said = verified(f"https://shop.example:{shop.server_port}/hook", Egress(public=True))
    assert status == 422 and "loopback, under a name that is not localhost" in said
    assert shop.asked == []
