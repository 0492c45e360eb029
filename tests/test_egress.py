"""Which addresses a source calls: at registration and at every connection, by a resolver of the tests' own."""

import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from threading import Event, active_count
from typing import Any

import httpx
import pytest
from flask import Flask, jsonify, request

from labkit import EventSource, RealClock
from labkit.cli import main
from labkit.cli import serve as command
from labkit.ledger import Ledger
from labkit.network import egress as lookups
from labkit.network.egress import MOST_LOOKUPS, Egress, ForbiddenError, is_public
from labkit.network.sockets import SocketNetwork
from labkit.policies import RetryProfile
from labkit.server import RequestLimits, serve

# https://www.iana.org/assignments/iana-ipv4-special-registry/, and what of 224/3 is not in it
SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
Names = dict[str, str]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What each name stands for; nothing else is a name, and only the forms of an address are read by the system."""
    known: Names = {}

    def getaddrinfo(host: str, port: int, family: int, type: int) -> list[Any]:
        if host not in known:
            return real(host, port, family, type, 0, socket.AI_NUMERICHOST)
        return [(family, type, 6, "", (address, port)) for address in known[host].split()]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


# the policy


def edges(block: str) -> tuple[int, int]:
    """The first and the last address of a block, by arithmetic."""
    start, _, bits = block.partition("/")
    first = int.from_bytes(bytes(map(int, start.split("."))))
    return first, first + 2 ** (32 - int(bits)) - 1


def test_what_iana_lists_as_special_is_not_public_and_its_neighbours_are() -> None:
    blocks = [edges(block) for block in SPECIAL]
    special = lambda number: any(first <= number <= last for first, last in blocks)  # noqa: E731
    around = {number for first, last in blocks for number in (first - 1, first, first + 1, last - 1, last, last + 1)}
    for number in sorted(number for number in around if 0 <= number < 2**32):
        assert is_public(IPv4Address(number)) == (not special(number)), IPv4Address(number)
    assert sum(not special(number) for number in around) > 20
    assert not is_public(IPv4Address("168.63.129.16"))  # Azure's platform, seen from inside a machine there


LOOPBACK = ["127.0.0.1", "127.1", "127.9.8.7", "0x7f.1", "2130706433", "017700000001", "localhost"]
INNER = ["10.0.0.1", "10.1", "0xa000001", "012.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "2852039166"]
INNER += ["100.64.0.1", "0.0.0.0", "0", "224.0.0.1", "255.255.255.255"]
PUBLIC = ["8.8.8.8", "0x8080808", "134744072", "010.8.8.8"]
IPV6 = ["::", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1"]
OPENED = {"10.0.0.1", "10.1", "0xa000001", "012.0.0.1", "shop.example", "SHOP.example."}
JUDGED = [
    (Egress(), set[str]()),
    (Egress(public=True), set(PUBLIC)),
    (Egress(hosts=("10.0.0.1", "shop.example")), OPENED),
]


@pytest.mark.parametrize(("egress", "opened"), JUDGED, ids=["closed", "public", "hosts"])
def test_each_form_of_an_address_is_judged_by_the_address(names: Names, egress: Egress, opened: set[str]) -> None:
    """Short, octal, hexadecimal and decimal forms; IPv4 inside IPv6, NAT64 and 6to4."""
    names |= {"localhost": "127.0.0.1", "shop.example": "10.9.9.9", "SHOP.example.": "10.9.9.9"}
    for host in {*LOOPBACK, "0177.0.0.1", *opened}:
        assert egress.resolve(host, 80)
    for host in {*INNER, *PUBLIC, *IPV6, "shop.example"} - opened:
        with pytest.raises(ForbiddenError, match=r", which is (not loopback|neither)|only IPv4 is supported"):
            egress.resolve(host, 80)


def test_a_name_is_refused_if_any_of_its_addresses_may_not_be_called(names: Names) -> None:
    names |= {
        "mixed.example": "8.8.8.8 10.0.0.1",
        "turned.example": "10.0.0.1 8.8.8.8",
        "both.example": "8.8.8.8 9.9.9.9",
    }
    for host in ("mixed.example", "turned.example"):
        with pytest.raises(ForbiddenError, match=f"^{host} is 10.0.0.1, which is neither loopback nor public$"):
            Egress(public=True).resolve(host, 80)
    assert Egress(public=True).resolve("both.example", 80) == "8.8.8.8"


def test_once_public_addresses_are_opened_loopback_must_be_written_as_such(names: Names) -> None:
    """A subscriber's own name that stands for 127.0.0.1 is an attack on what listens there."""
    names |= {"evil.example": "127.0.0.1", "localhost": "127.0.0.1"}
    assert Egress().resolve("evil.example", 80) == "127.0.0.1"
    with pytest.raises(ForbiddenError, match="^evil.example is 127.0.0.1, which is loopback, under a name that is"):
        Egress(public=True).resolve("evil.example", 80)
    assert Egress(public=True, hosts=("evil.example",)).resolve("evil.example", 80) == "127.0.0.1"


def test_loopback_can_be_closed_and_opened_by_name_or_address(names: Names) -> None:
    """Whatever it is called, and whether the public internet is open or not."""
    names |= {"localhost": "127.0.0.1", "here.example": "127.0.0.1"}
    for egress in (Egress(loopback=False), Egress(public=True, loopback=False)):
        for host in (*LOOPBACK, "here.example"):
            with pytest.raises(ForbiddenError, match="which is loopback, closed while other machines"):
                egress.resolve(host, 80)
    assert Egress(public=True, loopback=False).resolve("8.8.8.8", 80) == "8.8.8.8"
    opened = Egress(hosts=("127.0.0.1", "here.example"), loopback=False)
    assert {opened.resolve(host, 80) for host in ("127.1", "localhost", "here.example")} == {"127.0.0.1"}
    with pytest.raises(ForbiddenError):
        opened.resolve("127.0.0.2", 80)


@pytest.mark.parametrize("host", ["", "http://shop", "shop:80", "*", "10.0.0.0/8", "::1", "Shop", "é"])
def test_a_host_that_is_opened_is_a_name_or_an_address(host: str) -> None:
    with pytest.raises(ValueError, match="^hosts must be lower-case names or IPv4 addresses such as 10.0.0.5, got "):
        Egress(hosts=(host,))


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that does not answer before the test has ended."""
    ended = Event()

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        ended.wait()
        raise socket.gaierror("the test has ended")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    ended.set()
    for _ in range(MOST_LOOKUPS):  # no look-up is left
        assert lookups._LOOKUPS.acquire(timeout=30)
    lookups._LOOKUPS.release(MOST_LOOKUPS)


def test_a_name_server_that_does_not_answer_is_given_up(silent: None) -> None:
    said = "shop.example has no IPv4 address: the name server did not answer within 0.1 s"
    with pytest.raises(OSError, match=f"^{said}$"):
        Egress().resolve("shop.example", 80, within=0.1)


def test_names_that_no_server_answers_have_a_limited_number_of_threads(silent: None) -> None:
    """The next one waits for its turn within its own deadline; an address needs none."""
    before = active_count()
    for number in range(MOST_LOOKUPS + 5):
        with pytest.raises(OSError, match="did not answer within 0.01 s"):
            Egress().resolve(f"shop{number}.example", 80, within=0.01)
    assert active_count() - before <= MOST_LOOKUPS


# a source


def source_with(egress: Egress) -> EventSource:
    clock = RealClock()
    return EventSource(clock, SocketNetwork(clock, Ledger(), egress=egress), retries=RetryProfile(waits=(), timeout=5))


@pytest.fixture
def source() -> Iterator[EventSource]:
    with closing(source_with(Egress())) as made:
        yield made


REFUSED = [*INNER, *PUBLIC, *(f"[{host}]" for host in IPV6), "inner.example", "public.example", "a" * 300]
REFUSED += ["0177.0.0.1", f"{'a' * 64}.example", "b." * 130 + "example"]


@pytest.mark.parametrize("host", REFUSED)
def test_an_endpoint_that_may_not_be_called_is_422_at_registration_and_changes_nothing(
    names: Names, source: EventSource, host: str
) -> None:
    names |= {"inner.example": "10.0.0.1", "public.example": "8.8.8.8"}
    answer = source.app.test_client().post("/subscriptions", json={"url": f"http://{host}:8080/hook"})
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert "cannot be an endpoint: " in answer.json["detail"] and host.strip("[]")[:40] in answer.json["detail"]
    assert source.store.subscriptions() == []


@pytest.mark.parametrize("host", [*LOOPBACK, "here.example", "nowhere.invalid"])
def test_an_endpoint_on_loopback_or_without_an_address_yet_is_taken(
    names: Names, source: EventSource, host: str
) -> None:
    """What a name stands for is looked at again whenever it is called."""
    names |= {"here.example": "127.0.0.1", "localhost": "127.0.0.1"}
    assert source.app.test_client().post("/subscriptions", json={"url": f"http://{host}:8080/"}).status_code == 201


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "localhost", "here.example", "LOCALHOST."]
)
def test_the_source_itself_is_no_endpoint_however_it_is_written(names: Names, source: EventSource, host: str) -> None:
    names |= {"here.example": "127.0.0.1", "localhost": "127.0.0.1"}
    client = source.app.test_client()
    answer = client.post("/subscriptions", json={"url": f"http://{host}:8080/"}, base_url="http://localhost:8080")
    assert (answer.status_code, "it is the source itself" in answer.json["detail"]) == (422, True)


@pytest.mark.parametrize("called", ["127.0.0.1:{port}", "192.0.2.2:8000", "lab.example"])
def test_the_port_that_a_server_listens_on_is_no_endpoint_under_whatever_name_it_is_called(
    names: Names, called: str
) -> None:
    """Also through a tunnel or a forwarded port, where `Host` has another name and port."""
    names |= {"lab.example": "127.0.0.1", "localhost": "127.0.0.1"}
    limits = RequestLimits(hosts=("lab.example", "192.0.2.2"))
    egress = Egress(hosts=("0.0.0.0", "lab.example"))
    with closing(source_with(egress)) as source, serve(source.app, limits=limits) as server:
        headers = {"Host": called.format(port=server.port)}
        for host in ("127.0.0.1", "127.0.0.2", "localhost", "0.0.0.0", "lab.example"):
            sent = {"url": f"http://{host}:{server.port}/x"}
            answer = httpx.post(f"{server.url}/subscriptions", json=sent, headers=headers, trust_env=False)
            assert (answer.status_code, "it is the source itself" in answer.json()["detail"]) == (422, True)
        other = {"url": f"http://127.0.0.1:{server.port % 65535 + 1}/x"}
        answer = httpx.post(f"{server.url}/subscriptions", json=other, headers=headers, trust_env=False)
        assert answer.status_code == 201


def test_a_source_may_be_called_under_an_address_that_it_may_not_call(source: EventSource) -> None:
    """As behind another server, which listens on 10.0.0.3: that address is no endpoint, and others still are."""
    client, own = source.app.test_client(), "http://10.0.0.3:8080"
    answers = [client.post("/subscriptions", json={"url": url}, base_url=own) for url in (own, "http://127.0.0.1:8080")]
    assert [answer.status_code for answer in answers] == [422, 201]


CALLED = RequestLimits(hosts=("shop.example",))


def echo() -> Flask:
    """An endpoint that returns the challenge, and takes every event."""
    app = Flask("shop")
    app.add_url_rule("/", view_func=lambda: jsonify(request.get_json()["data"]), methods=["POST"])
    return app


def test_a_name_that_changes_its_address_is_refused_at_the_next_connection(names: Names) -> None:
    """Public at registration, then this machine's own service: it is not called, not even once."""
    names["shop.example"] = "8.8.8.8"
    with serve(echo(), limits=CALLED) as victim, closing(source_with(Egress(public=True))) as source:
        client = source.app.test_client()
        made = client.post("/subscriptions", json={"url": f"http://shop.example:{victim.port}/"}).json
        for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8 127.0.0.1"):
            names["shop.example"] = address
            answer = client.post(f"/subscriptions/{made['id']}/verify")
            assert (answer.status_code, victim.requests) == (422, 0)
            assert f"shop.example is {address.split()[-1]}, which is" in answer.json["detail"]


def test_a_delivery_is_checked_as_well_and_the_attempt_is_on_record(names: Names, source: EventSource) -> None:
    names["shop.example"] = "127.0.0.1"
    with serve(echo(), limits=CALLED) as shop:
        client = source.app.test_client()
        made = client.post("/subscriptions", json={"url": f"http://shop.example:{shop.port}/"}).json
        assert client.post(f"/subscriptions/{made['id']}/verify").status_code == 200
        shop.stop()  # and with it the connection that was checked
        names["shop.example"] = "10.0.0.1"
        source.emit("a", {})
        settled: Callable[[], bool] = lambda: source.outbox.counts()["dead"] == 1  # noqa: E731
        source.clock.run(until=source.clock.now() + 10, done=settled)  # type: ignore[attr-defined]
    (attempt,) = client.get(f"/subscriptions/{made['id']}/attempts").json["attempts"]
    assert attempt["status"] == 0 and "shop.example is 10.0.0.1, which is not loopback" in attempt["error"]


def test_an_attempt_ends_at_its_deadline_and_a_registration_is_answered_though_no_name_server_is(
    silent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = RealClock()
    network = SocketNetwork(clock, Ledger())
    monkeypatch.setattr(Egress.resolve, "__defaults__", (0.1,))
    with closing(EventSource(clock, network, retries=RetryProfile(waits=(), timeout=0.4))) as source:
        client = source.app.test_client()
        made = client.post("/subscriptions", json={"url": "http://shop.example/"})
        assert made.status_code == 201
        answer = client.post(f"/subscriptions/{made.json['id']}/verify")
    assert answer.status_code == 422
    assert re.search(r"ConnectError: shop.example has .* did not answer within 0\.\d+ s$", answer.json["detail"])


# the command line


def registered(monkeypatch: pytest.MonkeyPatch, *options: str) -> dict[str, int]:
    """What `labkit serve source OPTIONS` answers to endpoints."""
    statuses = {}

    def subscribe(first_line: dict[str, Any], *closing: Callable[[], None]) -> None:
        for host in ("127.0.0.1", "10.0.0.5", "10.0.0.6", "8.8.8.8", "shop.example"):
            token = {"Authorization": f"Bearer {first_line['token']}"} if "token" in first_line else {}
            url, asked = f"{first_line['url']}/subscriptions", {"url": f"http://{host}/"}
            statuses[host] = httpx.post(url, json=asked, headers=token, trust_env=False).status_code
        for close in closing:
            close()

    monkeypatch.setattr(command, "_until_ended", subscribe)
    main(["serve", "source", *options])
    return statuses


def test_a_source_is_opened_by_its_options(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    names["shop.example"] = "192.168.0.7"
    everybody = {"127.0.0.1": 201, "10.0.0.5": 422, "10.0.0.6": 422, "8.8.8.8": 422, "shop.example": 422}
    assert registered(monkeypatch) == everybody
    assert registered(monkeypatch, "--allow-public") == everybody | {"8.8.8.8": 201}
    opened = registered(monkeypatch, "--allow", "10.0.0.5", "--allow", "Shop.example")
    assert opened == everybody | {"10.0.0.5": 201, "shop.example": 201}


def test_a_source_that_other_machines_may_call_reaches_no_loopback_address_unless_it_is_allowed(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["shop.example"] = "127.0.0.1"
    nobody = {"127.0.0.1": 422, "10.0.0.5": 422, "10.0.0.6": 422, "8.8.8.8": 422, "shop.example": 422}
    others = ("--host", "0.0.0.0")
    assert registered(monkeypatch, *others) == nobody
    assert registered(monkeypatch, *others, "--allow-public") == nobody | {"8.8.8.8": 201}
    assert registered(monkeypatch, *others, "--allow", "shop.example") == nobody | {"shop.example": 201}
    opened = registered(monkeypatch, *others, "--allow", "127.0.0.1")
    assert opened == nobody | {"127.0.0.1": 201, "shop.example": 201}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no 127.0.0.2 on loopback")
def test_any_address_of_127_8_is_loopback(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other machine can call it: it needs no token, and calls loopback addresses."""
    names["shop.example"] = "127.0.0.1"
    opened = {"127.0.0.1": 201, "10.0.0.5": 422, "10.0.0.6": 422, "8.8.8.8": 422, "shop.example": 201}
    assert registered(monkeypatch, "--host", "127.0.0.2") == opened


@pytest.mark.parametrize(
    ("options", "token"), [((), "short"), (("--allow-host", "a b"), "x" * 16), (("--host", "x.invalid"), "x" * 16)]
)
def test_what_is_refused_leaves_no_database_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], token: str
) -> None:
    monkeypatch.setenv("LABKIT_TOKEN", token)
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "source", "--db", str(tmp_path / "events.db"), *options])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_opened_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "source", "--allow", "10.0.0.0/8"])
    assert (
        "hosts must be lower-case names or IPv4 addresses such as 10.0.0.5, got '10.0.0.0/8'" in capsys.readouterr().err
    )
