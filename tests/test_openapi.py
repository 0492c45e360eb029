"""`GET /openapi.json` is true: two validators accept it, and Schemathesis finds no request that it is wrong about."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attacked import labkit_serve
from flask import Flask, request
from openapi_spec_validator import validate

from labkit import EventSource
from labkit.server import serve

TESTS = Path(__file__).parent
METHODS = {"get", "post", "delete"}


@pytest.fixture(scope="module")
def source() -> Iterator[EventSource]:
    with closing(EventSource()) as source:
        yield source


@pytest.fixture(scope="module")
def document(source: EventSource) -> dict[str, Any]:
    document: dict[str, Any] = source.app.test_client().get("/openapi.json").json
    return document


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_it_has_every_route_but_itself_and_the_websocket(source: EventSource, document: dict[str, Any]) -> None:
    routes = {
        (re.sub("<(.*?)>", r"{\1}", rule.rule), method.lower())
        for rule in source.app.url_map.iter_rules()
        if not rule.websocket
        for method in rule.methods or ()
    }
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert {(path, method) for path, method in routes if method in METHODS and "static" not in path} == described | {
        ("/openapi.json", "get")
    }


def test_its_server_is_where_it_was_asked_for(source: EventSource) -> None:
    """Below a secret path, too."""
    answer = source.app.test_client().get("/openapi.json", base_url="http://127.0.0.1:8000/secret")
    assert answer.json["servers"] == [{"url": "http://127.0.0.1:8000/secret"}]


def test_its_patterns_are_those_of_ecma(document: dict[str, Any]) -> None:
    assert r"\\Z" not in repr(document)


def test_it_has_what_a_secret_and_the_websocket_take(document: dict[str, Any]) -> None:
    websocket = document["paths"]["/ws"]["get"]
    assert {"101", "410", "426"} <= websocket["responses"].keys()
    assert [each["name"] for each in websocket["parameters"]] == ["after"]
    for shape in ("Subscribe", "Rotate"):
        pattern = document["components"]["schemas"][shape]["properties"]["secret"]["pattern"]
        secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + base64.b64encode(bytes(64)).decode(), ""]
        assert all(re.search(pattern, secret) for secret in secrets)
        assert not any(re.search(pattern, secret) for secret in ("abc", "whsec_abc", "whsec_" + "A" * 90))


def endpoint() -> Flask:
    """It takes every webhook, and answers challenges."""
    app = Flask("endpoint")
    app.add_url_rule(
        "/<path>", "hook", lambda path: {"challenge": request.json["data"].get("challenge", "")}, methods=["POST"]
    )
    return app


@pytest.mark.slow
def test_schemathesis_finds_nothing_in_any_phase(tmp_path: Path) -> None:
    with serve(endpoint()) as hook, labkit_serve("source") as source:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(TESTS / "schemathesis.toml")]
        options = ["--max-examples", "15", "--generation-deterministic", "--no-color"]
        ran = subprocess.run(
            [*command, "run", f"{source.hello['url']}/openapi.json", *options],
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
                "PYTHONPATH": str(TESTS),
                "ENDPOINT": hook.url,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert source.process.poll() is None
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in ran.stdout
    assert source.printed == []
