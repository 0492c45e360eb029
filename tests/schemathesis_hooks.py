"""What no schema can say, filled into the valid requests that Schemathesis generates; the others stay as they are."""

import itertools
import os
from typing import Any

import schemathesis
from schemathesis import GenerationMode

NUMBERS = itertools.count(1)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    query, headers, body = case.query or {}, case.headers or {}, case.body
    if "after" in query:  # a cursor that the source wrote: the first place
        query["after"] = ""
    if "wait" in query:  # as many seconds as a test can wait
        query["wait"] = min(float(query["wait"]), 0.01)
    if "Idempotency-Key" in headers:  # one key per body, as it must be
        headers["Idempotency-Key"] = f"key {next(NUMBERS)}"
    if not isinstance(body, dict):
        return
    body.pop("secret", None)  # a text that can sign
    if "url" in body:  # an endpoint that may be called, and that answers challenges
        body["url"] = f"{os.environ['ENDPOINT']}/{next(NUMBERS) % 20}"
    if body.get("payload") == "doorbell":  # which takes no batch
        body.pop("batch", None)
    if "since" in body:  # a cursor, as above
        body["since"] = ""
