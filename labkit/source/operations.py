"""The source's operations: each is declared once, for the check of its requests and for `GET /openapi.json`."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Flask, Response, request

from labkit.source.answers import json_answer
from labkit.source.bodies import Parameter, body, query
from labkit.source.documents import Problem

REFUSED = (400, 401, 403, 408, 413, 414, 417, 429, 431, 503)
"""Statuses of every operation: of the server before the app, of a rate limit, of a database that is locked or full."""
OF_A_BODY = (415, 422)

Answers = Mapping[int, type[msgspec.Struct] | str | None]
"""What an operation answers, by status: a shape as JSON, a media type, or no body."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    name: str
    answers: Answers
    errors: tuple[int, ...]
    parameters: tuple[Parameter, ...]
    body: type[msgspec.Struct] | None


class Operations:
    """The operations of an app. `add` is a decorator: its view gets the body or query, checked, as `asked`."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._declared: list[Operation] = []
        app.get("/openapi.json")(lambda: json_answer(document(self._declared)))

    def add(
        self,
        operation: str,
        answers: Answers,
        errors: Iterable[int] = (),
        *,
        query: tuple[Parameter, ...] = (),
        headers: tuple[Parameter, ...] = (),
        body: type[msgspec.Struct] | None = None,
    ) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
        method, path = operation.split()

        def declare(view: Callable[..., Response]) -> Callable[..., Response]:
            declared = Operation(method, path, view.__name__, answers, tuple(errors), query + headers, body)
            self._declared.append(declared)
            self._app.add_url_rule(path, view.__name__, _checked(view, query, body), methods=[method])
            return view

        return declare


def _checked(
    view: Callable[..., Response], parameters: tuple[Parameter, ...], shape: type[msgspec.Struct] | None
) -> Callable[..., Response]:
    if shape:
        return lambda **path: view(**path, asked=body(shape))
    if parameters:
        read = query(*parameters)
        return lambda **path: view(**path, asked=read())
    return view


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The operations as OpenAPI 3.1 has them (https://spec.openapis.org/oas/v3.1.0)."""
    operations = list(operations)
    shapes = {shape for each in operations for shape in (each.body, *each.answers.values()) if isinstance(shape, type)}
    names = sorted(shapes | {Problem}, key=lambda shape: shape.__name__)
    _, schemas = msgspec.json.schema_components(names, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(re.sub("<(.*?)>", r"{\1}", each.path), {})[each.method.lower()] = _operation(each)
    described = {
        "openapi": "3.1.0",
        "info": {"title": "Webhook Lab: a source of events", "version": version("webhook-lab")},
        "servers": [{"url": request.url_root.rstrip("/")}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
    return _as_ecma(described)  # type: ignore[no-any-return]


def _operation(each: Operation) -> dict[str, Any]:
    ids = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _ids(each.path)]
    errors = {*REFUSED, *each.errors, *(OF_A_BODY if each.body else ()), *([404] if ids else [])}
    shapes = dict.fromkeys(errors, Problem) | dict(each.answers)
    described: dict[str, Any] = {
        "operationId": each.name,
        "parameters": [*ids, *map(Parameter.document, each.parameters)],
        "responses": {str(status): _answer(status, shapes[status]) for status in sorted(shapes)},
    }
    if each.body:
        described["requestBody"] = {"required": True, "content": {"application/json": _schema(each.body)}}
    return described


def _ids(path: str) -> list[str]:
    return re.findall("<(.*?)>", path)


def _answer(status: int, shape: type[msgspec.Struct] | str | None) -> dict[str, Any]:
    described = {"description": HTTPStatus(status).phrase}
    if shape is None:
        return described
    if isinstance(shape, str):
        return {**described, "content": {shape: {}}}
    media = "application/problem+json" if shape is Problem else "application/json"
    return {**described, "content": {media: _schema(shape)}}


def _schema(shape: type[msgspec.Struct]) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}


def _as_ecma(schema: Any) -> Any:
    r"""The schema with the patterns of ECMA 262, which has no `\Z`: there, `$` is only the end of the text."""
    if isinstance(schema, dict):
        return {
            name: value.replace(r"\Z", "$") if name == "pattern" and isinstance(value, str) else _as_ecma(value)
            for name, value in schema.items()
        }
    return [_as_ecma(each) for each in schema] if isinstance(schema, list) else schema
