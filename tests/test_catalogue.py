"""One catalogue for what a student sees: in a made-up language, no English is left in a picture."""

import gettext as translations
import re
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.text import Text

from labkit import (
    APPROACHES,
    LongPolling,
    OnDemand,
    Polling,
    Scenario,
    Status,
    Stream,
    Thin,
    Webhook,
    catalogue,
    compare,
    daily,
    earthquakes,
    plots,
    poisson,
)
from labkit.catalogue import gettext, ngettext
from labkit.course import Disqualified, traces
from labkit.course.check import Incorrect, NotAttempted, call, check, check_at_most, check_call, checking
from labkit.course.hints import HINTS, hint
from labkit.course.strategy import run_strategy
from labkit.description import describe
from labkit.plots.contest import NAMES
from labkit.plots.contest import contest as contest_picture


class MadeUp(translations.NullTranslations):
    """A language whose every text is the English one in other letters, with its places for values kept."""

    def gettext(self, message):
        pieces = re.split(r"(\{[^}]*\})", message)
        return "".join(piece if piece.startswith("{") else re.sub(r"[A-Za-z]", "ж", piece) for piece in pieces)

    def ngettext(self, one, many, number):
        return self.gettext(one if number == 1 else many)


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(catalogue, "_chosen", MadeUp())


@pytest.fixture(scope="module")
def comparison():
    return compare(Scenario(earthquakes(duration=7200)), [Polling(interval=300), Webhook()])


KEPT = {word for name, approach in APPROACHES.items() for word in (name, *approach.__dataclass_fields__)} | {
    *NAMES,
    "earthquakes",
}
UNITS = {"UTC", "tick", "happened", "s", "t", "p95", "λT", "ms", "x", "m", "min", "h"}


def words(figure):
    """The words that are written in a figure, in its sentence and in its caption."""
    figure.png()
    written = [text.get_text() for text in figure.drawing.findobj(Text) if text.get_visible()]
    return re.findall(r"[^\W\d_][\w]*", " ".join([*written, figure.sentence, figure.caption]))


def english(figure):
    return {word for word in words(figure) if re.search("[A-Za-z]", word)} - KEPT - UNITS


def staircases(comparison):
    return plots.staircases(comparison)


def swim_lanes(comparison):
    fault = Status(status=500, kinds=("delivery",), attempts=(1, 2, 3, 4, 5))
    broken = replace(comparison.scenario, faults=(fault,), consumers=2)
    approaches = [LongPolling(), Thin(), Stream(), OnDemand(interval=60, act=True), Webhook()]
    return plots.swim_lanes([*comparison, *compare(broken, approaches)])


def timeline(comparison):
    return plots.timeline([1.0], {"ю": [(2.0, 2.1, True)]}, {"ю": [(1.0, 1.1)]})


def frontier(comparison):
    return plots.frontier(comparison, rejected={"polling": "ю"}, limit=60)


def of_results(comparison):
    return comparison.plot()


def latencies(comparison):
    silent = replace(comparison.scenario, faults=(Status(status=410, kinds=("delivery",)),))
    return plots.latencies([*comparison, *compare(silent, [Webhook()])])


def request_bars(comparison):
    return plots.request_bars([*comparison, *compare(comparison.scenario, [OnDemand(interval=600, act=True)])])


def intervals(comparison):
    return plots.intervals(comparison[0])


def phase(comparison):
    return plots.phase([comparison[0], *compare(comparison.scenario, [Polling(interval=300, fixed="rate")])])


def inspection(comparison):
    return plots.inspection([10, 90])


def price(comparison):
    return plots.price(60, 354)


def crossover(comparison):
    return plots.crossover(comparison)


def contest(comparison):
    strategies = [("ю", 60.0, 40.0), ("fixed", 50.0, 36.0), ("aimd", 55.0, 50.0), ("optimal", 40.0, 10.0)]
    rows = [
        {"strategy": name, "trace": "ю", "tau": tau, "polls_per_hour": cost * 60 / tau, "mean_latency": late}
        for tau in (60, 600)
        for name, cost, late in strategies
    ]
    return contest_picture(pd.DataFrame(rows))


def overview(comparison):
    return plots.overview(described())


PICTURES = [
    staircases, swim_lanes, timeline, frontier, of_results, crossover, latencies, request_bars, intervals, phase,
    inspection, price, contest, overview,
]  # fmt: skip


def described():
    return describe(replace(daily(duration=5 * 86_400, per_hour=60), name="ю"))


def test_no_english_is_left_in_the_sentences_on_a_log(made_up):
    """Of a log with a rhythm, of a short one, and of one with a single event; but for the zone and the type."""
    logs = [describe(replace(daily(), name="ю")), describe(poisson(duration=7200)), describe(poisson(duration=700))]
    said = " ".join(sentence for log in [described(), *logs] for sentence in plots.sentences(log))
    assert set(re.findall("[A-Za-z]+", said)) <= {"UTC", "tick", "happened", "s", "h", "min"}
    assert said.count("ж") > 500


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.__name__)
def test_no_english_is_left_in_a_picture(picture, comparison, made_up):
    figure = picture(comparison)
    assert english(figure) == set()
    assert sum(set(word) == {"ж"} for word in words(figure)) > 20


def test_the_search_for_english_finds_it(comparison):
    assert len(english(price(comparison))) > 20


def untouched():
    raise NotImplementedError


def ю(value=None):
    return value + 1 if value else value


def test_no_english_is_left_in_a_verdict(made_up, capsys):
    """Neither in what is wrong, nor in what is right, nor in what is not there yet."""
    said = []
    answers = [lambda: check("ю", 1, 2.5, within=0.1, hint="ю"), lambda: check_at_most("ю", 7, 5), untouched]
    answers += [lambda: call(ю), lambda: check_call(ю, [7], 9, hint="ю")]
    for answer in answers:
        with pytest.raises((Incorrect, NotAttempted)) as caught, checking("ю"):
            answer()
        said.append(str(caught.value))
    with checking("ю"):
        pass
    hint(next(iter(HINTS)))
    said.append(capsys.readouterr().out)
    with pytest.raises(TypeError) as raised:
        call(ю, "7", hint="ю")
    said += raised.value.__notes__
    assert len(said) == 7
    assert {word for text in said for word in re.findall("[A-Za-z]+", text)} <= {"int"}


VERDICTS = {
    "raises": "def next_delay(history): return 1 / 0",
    "exits": "exit()",
    "returns nothing": "def next_delay(history): pass",
    "returns a text": "def next_delay(history): return '60'",
    "returns nan": "def next_delay(history): return float('nan')",
    "returns too little": "def next_delay(history): return 0",
    "is no function": "next_delay = 60",
    "has no such function": "",
    "has another": "def wait(history): return 60",
    "has one like it": "def nextdelay(history): return 60",
    "asks for more": "def next_delay(history, memory): return 60",
    "ends": "import os\nos._exit(3)",
    "takes for ever": "while True: pass",
}


@pytest.fixture(scope="module")
def trace():
    return traces(0)[0]


@pytest.mark.parametrize("name", VERDICTS)
def test_no_english_is_left_in_a_contests_verdict(name, made_up, tmp_path, trace):
    """But for Python's own messages, the student's line, and names."""
    path = tmp_path / "ю.py"
    path.write_text(VERDICTS[name], encoding="utf-8")
    with pytest.raises(Disqualified) as verdict:
        run_strategy(path, [trace], limit=0.5 if name == "takes for ever" else 60.0)
    left = re.sub("`.*`|ZeroDivisionError: .*|missing a required .*", "", str(verdict.value))
    assert set(re.findall("[A-Za-z]+", left)) <= {"py", "poisson", "None", "str", "nan", "wait", "nextdelay"}


def test_a_language_without_a_catalogue_is_refused_by_name(tmp_path):
    (tmp_path / "xx" / "LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "xx" / "LC_MESSAGES" / "labkit.mo").write_bytes(b"")
    with pytest.raises(ValueError, match="language must be one of en, xx, got 'yy'"):
        catalogue.language("yy", tmp_path)


def test_a_language_is_chosen_and_left_again(tmp_path):
    """A catalogue as msgfmt writes it: two messages, one of them with forms for one and for several."""
    import struct

    messages = {
        "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n",
        "received": "recibidos",
        "{number} event\0{number} events": "{number} evento\0{number} eventos",
    }
    keys = sorted(messages)
    texts = [text.encode() for text in (*keys, *(messages[key] for key in keys))]
    at, places = 28 + 16 * len(keys), []
    for text in texts:
        places.append((len(text), at))
        at += len(text) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, 0)
    table = b"".join(struct.pack("<2I", *place) for place in places)
    folder = tmp_path / "es" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "labkit.mo").write_bytes(head + table + b"".join(text + b"\0" for text in texts))
    try:
        catalogue.language("es", tmp_path)
        assert gettext("received") == "recibidos"
        assert gettext("not in it, {name}", name="but shown") == "not in it, but shown"
        counts = [ngettext("{number} event", "{number} events", n, number=n) for n in (1, 2, 1.5)]
        assert counts == ["1 evento", "2 eventos", "1.5 eventos"]
    finally:
        catalogue.language("en")
    assert gettext("received") == "received"
