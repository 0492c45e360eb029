"""Objects as the command line writes them: NAME[:key=value,…], where a registry maps NAME to a dataclass."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from itertools import product
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import click
import msgspec

T = TypeVar("T")


def parse_named(option: str, text: str, registry: Mapping[str, type[T]]) -> T:
    """The object that a text names. A tuple's items are joined by `+`: `types=door.opened+door.closed`.

    >>> from labkit.approaches import APPROACHES
    >>> parse_named("--approach", "long_polling:wait=10", APPROACHES)
    LongPolling(wait=10.0, pause=0.0, limit=100)

    Raises click.UsageError that shows the text, what is wrong with it and what is possible.
    """
    name, _, settings = text.partition(":")
    if name not in registry:
        noun = option.removeprefix("--")
        raise click.UsageError(f"{option} {text}: there is no {noun} {name!r}; there are: {', '.join(registry)}")
    made = registry[name]
    hints = get_type_hints(made)
    known = {field.name: hints[field.name] for field in fields(made)}  # type: ignore[arg-type]
    given: dict[str, str] = {}
    for setting in settings.split(",") if settings else []:
        key, equals, value = setting.partition("=")
        if key in given:
            raise click.UsageError(f"{option} {text}: {key} is given twice")
        if not equals or key not in known:
            keys = ", ".join(known) or "none"
            raise click.UsageError(f"{option} {text}: {setting!r} is not key=value with a key of: {keys}")
        given[key] = value
    for field in fields(made):  # type: ignore[arg-type]
        if field.default is MISSING and field.default_factory is MISSING and field.name not in given:
            raise click.UsageError(f"{option} {text}: {field.name} is missing; add {field.name}=…")
    values = {key: list(filter(None, value.split("+"))) if _is_tuple(known[key]) else value
              for key, value in given.items()}  # fmt: skip
    try:
        return msgspec.convert(values, made, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)  # it ends in the setting's place, such as `$.start`, unless it is the dataclass's own
        key = message.rpartition("$.")[2].rstrip("`").partition("[")[0]
        if key in given:
            message = f"{key} must be {_wanted(known[key])}, got {given[key]!r}"
        raise click.UsageError(f"{option} {text}: {message}") from None


def parse_all(option: str, text: str, registry: Mapping[str, type[T]]) -> list[T]:
    """Every object that a text names: values of one parameter that are joined by `+` are as many objects.

    >>> from labkit.approaches import APPROACHES
    >>> [each.label for each in parse_all("--approach", "polling:interval=10+60,limit=50", APPROACHES)]
    ['polling interval=10 limit=50', 'polling interval=60 limit=50']
    """
    name, colon, settings = text.partition(":")
    hints = get_type_hints(registry[name]) if name in registry else {}
    choices: list[list[str]] = []
    for setting in settings.split(","):
        key, equals, value = setting.partition("=")
        several = [value] if key not in hints or _is_tuple(hints[key]) else value.split("+")
        choices.append([f"{key}{equals}{each}" for each in several])
    return [parse_named(option, f"{name}{colon}{','.join(chosen)}", registry) for chosen in product(*choices)]


def as_option(record: Mapping[str, object]) -> str:
    """What an option takes, from an object's name and settings.

    >>> from labkit.faults import Outage
    >>> as_option(Outage(start=600, duration=60).record())
    'outage:start=600,duration=60'
    """
    settings = {key: value for key, value in record.items() if key != "name"}
    return f"{record['name']}{':' if settings else ''}{pairs(settings, ',')}"


def pairs(settings: Mapping[str, object], joint: str = ", ") -> str:
    """Settings in a line; a tuple's items are joined by `+`.

    >>> pairs({"interval": 60.0, "types": ("a", "b"), "jitter": 0.1})
    'interval=60, types=a+b, jitter=0.1'
    """
    return joint.join(f"{key}={_written(value)}" for key, value in settings.items())


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _is_tuple(kind: Any) -> bool:
    return any(get_origin(each) is tuple for each in (kind, *get_args(kind)))


_KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", type(None): "null"}


def _wanted(kind: Any) -> str:
    """What a value of a type looks like on the command line.

    >>> _wanted(float | None), _wanted(tuple[int, ...])
    ('a number or null', 'a whole number, several joined by +')
    """
    if get_origin(kind) is tuple:
        return f"{_wanted(get_args(kind)[0])}, several joined by +"
    return _KINDS.get(kind) or " or ".join(map(_wanted, get_args(kind))) or str(kind)
