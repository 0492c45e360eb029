"""Pictures: what is drawn is what the frames hold, and what is said is what is drawn."""

import base64
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from labkit import plots
from labkit.approaches import APPROACHES, Polling, Webhook
from labkit.experiment import Comparison
from labkit.lenses import VirtualLens
from labkit.scenario import Scenario
from labkit.trace import earthquakes

HOSTILE = 'polling <img src=x onerror="alert(1)"> & $x$ $y'


def receipts(occurred: list[float], received: list[float], consumer: str = "c") -> pd.DataFrame:
    at, held = np.array(occurred, dtype=float), np.array(received, dtype=float)
    ids = [f"evt_{number}" for number in range(len(at))]
    return pd.DataFrame(
        {"event_id": ids, "consumer": consumer, "occurred_at": at, "received_at": held, "latency": held - at}
    )


def exchanges(rows: list[tuple[str, str, float, float, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["kind", "outcome", "sent_at", "answered_at", "attempt"])
    return frame.assign(consumer="c")


def table(rows: dict[str, tuple[str, int, float | None, float | None]]) -> pd.DataFrame:
    columns = ["approach", "requests", "latency_mean", "latency_p95"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("label")


def loads(approach: str, at: list[float], requests: list[float], sizes: list[float]) -> pd.DataFrame:
    columns = {"requests_per_event": requests, "requests_se": 0.01, "bytes_per_event": sizes, "bytes_se": np.nan}
    return pd.DataFrame({"approach": approach, "load": at, **columns})


MEASURED = pd.concat(
    [
        loads("polling", [0.1, 0.5, 2, 10], [10, 2, 0.5, 0.1], [3000, 800, 200, 100]),
        loads("webhook", [0.1, 0.5, 2, 10], [1, 1, 1, 1], [400, 400, 400, 400]),
    ]
)
TABLE = table({"polling interval=10": ("polling", 8640, 5.0, 9.5), "webhook": ("webhook", 211, 0.02, 0.02)})
MINUTE = receipts([10, 20, 50], [30, 30, 60])
POLLS = exchanges(
    [
        ("poll", "empty", 0, 0.04, 1),
        ("poll", "hit", 30, 30.04, 1),
        ("poll", "hit", 59, 60, 1),
        ("poll", "hit", 60, 61, 1),
    ]
)
DELIVERIES = exchanges(
    [
        ("setup", "empty", 5, 5.04, 1),
        ("delivery", "hit", 10, 10.04, 1),
        ("delivery", "error", 20, np.nan, 1),
        ("delivery", "error", 25, 26, 2),
        ("delivery", "hit", 55, 56, 3),
        ("delivery", "throttled", 50, 51, 1),
    ]
)


def every_picture() -> dict[str, plots.Figure]:
    theory = pd.DataFrame(
        {"approach": ["polling"], "label": ["ideal"], "requests_per_hour": [36.0], "mean_latency": [50.0]}
    )
    return {
        "staircases": plots.staircases({HOSTILE: MINUTE, "webhook": MINUTE}, 0, 60),
        "frontier": plots.frontier(TABLE.rename(index={"webhook": HOSTILE}), 86400, 0.02, theory),
        "crossover": plots.crossover(MEASURED.replace("webhook", HOSTILE), events=100),
        "swim_lanes": plots.swim_lanes(MINUTE, {HOSTILE: POLLS, "webhook": DELIVERIES}, 0, 60),
    }


def texts(figure: plots.Figure) -> list[str]:
    """Every visible text of a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.drawing.findobj(Text) if text.get_visible() and text.get_text()]


@pytest.fixture(scope="module")
def run() -> Comparison:
    scenario = Scenario(earthquakes(duration=21_600), delay=0.02)
    approaches = [Polling(interval=300), Polling(interval=600), Webhook()]
    return Comparison(scenario, tuple(VirtualLens().run(scenario, approach) for approach in approaches))


class TestFigure:
    @pytest.mark.parametrize("name", ["staircases", "frontier", "crossover", "swim_lanes"])
    def test_shows_a_notebook_its_sentence_twice_and_a_picture(self, name: str) -> None:
        """Plain text is the sentence; HTML is a figure whose alt is the same, labels and all, without their markup."""
        figure = every_picture()[name]
        bundle = figure._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/html"}
        assert bundle["text/plain"] == figure.sentence == repr(figure)
        tags: list[tuple[str, dict[str, str | None]]] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, attrs: tags.append((tag, dict(attrs)))  # type: ignore[method-assign]
        parser.feed(bundle["text/html"])
        assert [tag for tag, _ in tags] == ["figure", "img", "figcaption"]
        image = tags[1][1]
        assert image["alt"] == figure.sentence
        assert HOSTILE in figure.sentence
        assert set(image) == {"alt", "style", "src"}
        head, _, data = str(image["src"]).partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")

    @pytest.mark.parametrize("name", ["staircases", "frontier", "crossover", "swim_lanes"])
    def test_is_saved_as_its_suffix_says(self, name: str, tmp_path: Path) -> None:
        """PNG, SVG that is well-formed whatever the labels, PDF, in a folder that was not there."""
        figure = every_picture()[name]
        folder = tmp_path / "new" / "folder"
        picture = imread(figure.save(folder / "a.png"))
        assert picture.shape[0] > 300
        assert picture[..., :3].std() > 0.01
        root = ElementTree.fromstring(figure.save(str(folder / "a.SVG")).read_text())
        assert root.tag.endswith("svg")
        assert figure.sentence in [element.text for element in root.iter()]
        assert figure.save(folder / "a.pdf").read_bytes().startswith(b"%PDF")

    def test_refuses_other_suffixes(self, tmp_path: Path) -> None:
        figure = plots.frontier(TABLE, 86400, 0.02)
        with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.pdf, got .*picture\.gif"):
            figure.save(tmp_path / "new" / "picture.gif")
        with pytest.raises(ValueError, match="must end in"):
            figure.save(tmp_path / "picture")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["staircases", "frontier", "crossover", "swim_lanes"])
    def test_writes_large_enough_to_project(self, name: str) -> None:
        from matplotlib.text import Text

        found = [text for text in every_picture()[name].drawing.findobj(Text) if text.get_visible() and text.get_text()]
        assert len(found) > 8
        assert min(text.get_fontsize() for text in found) >= 12

    def test_needs_no_pyplot_and_says_the_same_in_another_process(self) -> None:
        """No global state of matplotlib is touched, and a sentence depends on its input alone."""
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import test_plots\n"
            "figures = test_plots.every_picture().values()\n"
            "for figure in figures: figure._repr_mimebundle_(); print(figure.sentence)\n"
            "assert 'matplotlib.pyplot' not in sys.modules\n"
        )
        again = subprocess.run(
            [sys.executable, "-W", "error", "-X", "utf8", "-c", code, str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert again.stderr == ""
        assert again.stdout.splitlines() == [figure.sentence for figure in every_picture().values()]

    def test_importing_plots_imports_neither_matplotlib_nor_pandas(self) -> None:
        code = "import sys, labkit.plots; print({'matplotlib', 'pandas', 'numpy'} & set(sys.modules))"
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


class TestStyles:
    def test_no_two_approaches_share_a_hue_a_marker_or_a_hatch(self) -> None:
        for part in ("colour", "marker", "hatch"):
            found = [getattr(approach.style, part) for approach in APPROACHES.values()]
            assert len(set(found)) == len(found)
        colours = [np.array(to_rgb(approach.style.colour)) for approach in APPROACHES.values()]
        nearest = min(float(abs(a - b).max()) for n, a in enumerate(colours) for b in colours[:n])
        assert nearest > 0.1

    def test_are_by_the_labels_first_word(self) -> None:
        assert plots.style("polling interval=60") == Polling.style
        assert plots.style("my_own") == plots.style("") not in [each.style for each in APPROACHES.values()]

    def test_an_approach_has_its_hue_in_every_picture(self) -> None:
        hue = to_rgb(Webhook.style.colour)
        stairs = plots.staircases({"webhook": MINUTE}, 0, 60).drawing.axes[0]
        assert to_rgb(next(line for line in stairs.lines if line.get_label() == "received").get_color()) == hue
        assert stairs.collections[0].get_hatch() == Webhook.style.hatch
        frontier = plots.frontier(TABLE, 86400, 0.02).drawing.axes[0]
        assert hue in [to_rgb(line.get_color()) for line in frontier.lines if line.get_marker() == "v"]
        crossover = plots.crossover(MEASURED).drawing.axes[0]
        assert hue in [to_rgb(line.get_color()) for line in crossover.lines if line.get_marker() == "v"]
        lanes = plots.swim_lanes(MINUTE, {"webhook": DELIVERIES}, 0, 60).drawing.axes[0]
        assert hue in [to_rgb(marks.get_facecolor()[0]) for marks in lanes.collections if len(marks.get_facecolor())]


class TestStaircases:
    def test_draw_the_frames_own_instants(self) -> None:
        axes = plots.staircases({"polling": MINUTE}, 0, 60).drawing.axes[0]
        lines = {line.get_label(): line for line in axes.lines}
        for name, instants in {"occurred": [10, 20, 50], "received": [30, 30, 60]}.items():
            assert (np.asarray(lines[name].get_xdata())[1:-1] * 60).round(9).tolist() == instants
            assert np.asarray(lines[name].get_ydata()).tolist() == [0, 1, 2, 3, 3]
        assert axes.get_xlabel() == "minutes after t = 0 s"
        assert axes.get_ylabel() == "events, cumulative"

    def test_the_area_is_the_total_latency(self, run: Comparison) -> None:
        """Little's law: what is said of the drawn gap equals the sum over the receipts, computed apart."""
        frames = {result.label: result.receipts for result in run}
        start, end = plots.busiest(run[0].receipts)
        figure = plots.staircases(frames, start, end)
        for label, frame in frames.items():
            held = frame[frame.occurred_at.between(start, end, inclusive="left")]
            total = float(f"{held.latency.sum():.4g}")
            assert (
                f"{label} received {len(held)} of {len(held)} with a total latency of {total:,.10g} s"
                in figure.sentence
            )
            assert f"area = total latency = {total:,.10g} s" in texts(figure)

    def test_a_shaded_gap_lies_between_the_two_lines(self) -> None:
        vertices = plots.staircases({"polling": MINUTE}, 0, 60).drawing.axes[0].collections[0].get_paths()[0].vertices
        x, y = np.asarray(vertices)[:, 0] * 60, np.asarray(vertices)[:, 1]
        shaded = abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2
        assert shaded == pytest.approx(20 + 10 + 10)

    def test_a_window_is_half_open_and_its_last_receipt_is_not_cut_off(self) -> None:
        frame = receipts([0, 60, 61], [1, 400, 62])
        assert "received 1 of 1 with a total latency of 1 s" in plots.staircases({"polling": frame}, 0, 60).sentence
        figure = plots.staircases({"polling": frame}, 60, 61)
        assert "received 1 of 1 with a total latency of 340 s" in figure.sentence
        assert figure.drawing.axes[0].get_xlim()[1] * 60 > 340

    def test_say_what_never_came(self) -> None:
        figure = plots.staircases({"polling": receipts([10, 20], [np.nan, 30])}, 0, 60)
        assert "received 1 of 2, an area of" in figure.sentence
        assert "total latency" not in figure.sentence
        assert any(text.startswith("area so far = ") for text in texts(figure))

    def test_panels_share_their_axes(self) -> None:
        figure = plots.staircases({"polling": MINUTE, "webhook": receipts([5], [400]), "a": MINUTE, "b": MINUTE}, 0, 60)
        assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.drawing.axes}) == 1
        assert len(figure.drawing.axes) == 4

    def test_no_event_is_said_too(self) -> None:
        figure = plots.staircases({"polling": MINUTE.iloc[:0]}, 0, 60)
        assert "received none, since none occurred" in figure.sentence
        assert len(figure.png()) > 1000

    def test_a_datum_changed_changes_the_sentence(self) -> None:
        later = MINUTE.assign(received_at=MINUTE.received_at.where(MINUTE.index < 2, 60.1))
        assert plots.staircases({"a": later}, 0, 60).sentence != plots.staircases({"a": MINUTE}, 0, 60).sentence

    def test_a_picture_drawn_wrong_has_a_wrong_sentence(self) -> None:
        figure = plots.staircases({"a": MINUTE}, 0, 60)
        before = figure.sentence
        line = next(line for line in figure.drawing.axes[0].lines if line.get_label() == "received")
        line.set_xdata(np.asarray(line.get_xdata()) + 0.01)
        assert figure.sentence != before

    def test_busiest_finds_the_first_window_with_most_events(self) -> None:
        assert plots.busiest(receipts([0, 50, 60, 100, 300, 301, 302], [0] * 7), 51) == (50, 101)
        assert plots.busiest(receipts([0, 50, 60, 100, 300, 301, 302], [0] * 7), 50) == (300, 350)
        assert plots.busiest(pd.concat([receipts([0, 9], [0, 0], name) for name in "ab"]), 5) == (0, 5)

    def test_busiest_equals_a_search_of_every_start(self, run: Comparison) -> None:
        occurred = run[0].receipts.occurred_at.tolist()
        counts = [sum(start <= at < start + 1800 for at in occurred) for start in occurred]
        assert plots.busiest(run[0].receipts, 1800)[0] == occurred[counts.index(max(counts))]

    def test_refuse_what_they_cannot_draw(self) -> None:
        with pytest.raises(ValueError, match=r"end must be > start, .* got start=60 and end=60"):
            plots.staircases({"a": MINUTE}, 60, 60)
        with pytest.raises(ValueError, match="end must be > start"):
            plots.staircases({"a": MINUTE}, 0, float("nan"))
        with pytest.raises(ValueError, match="at least one approach"):
            plots.staircases({}, 0, 60)
        with pytest.raises(ValueError, match=r"receipts of 'a' must have the columns .*; missing: received_at"):
            plots.staircases({"a": MINUTE.drop(columns="received_at")}, 0, 60)
        with pytest.raises(ValueError, match="must be of one consumer, got 2: choose frame"):
            plots.staircases({"a": pd.concat([MINUTE, MINUTE.assign(consumer="d")])}, 0, 60)
        with pytest.raises(ValueError, match="receipts must have at least one row, got none"):
            plots.busiest(MINUTE.iloc[:0])
        with pytest.raises(ValueError, match="seconds must be > 0, got 0"):
            plots.busiest(MINUTE, 0)


class TestFrontier:
    def test_draws_and_says_the_tables_own_numbers(self, run: Comparison) -> None:
        figure = run.plot()
        frame = run.table()
        dots = {
            (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
            for line in figure.drawing.axes[0].lines
            if len(line.get_xdata()) == 1
        }
        assert dots == {(row.requests / 6, row.latency_mean) for row in frame.itertuples()}
        for row in frame.itertuples():
            cost, mean, p95 = (f"{float(f'{x:.3g}'):g}" for x in (row.requests / 6, row.latency_mean, row.latency_p95))
            assert f"{row.Index} at {cost} an hour is {mean} s late (p95 {p95} s)" in figure.sentence

    def test_whiskers_run_from_the_mean_to_the_95th_percentile(self) -> None:
        lines = plots.frontier(TABLE, 86400, 0.02).drawing.axes[0].lines
        assert ([360.0, 360.0], [5.0, 9.5]) in [(list(line.get_xdata()), list(line.get_ydata())) for line in lines]

    def test_polling_has_a_line_of_slope_minus_one_through_its_points(self) -> None:
        rows = {"a": ("polling", 360, 40.0, 90.0), "b": ("polling", 720, 20.0, 45.0), "c": ("webhook", 9, 0.02, 0.02)}
        figure = plots.frontier(table(rows), 3600, 0.02)
        dashed = [line for line in figure.drawing.axes[0].lines if line.get_linestyle() == "--"]
        assert len(dashed) == 1
        x, y = (np.asarray(values, dtype=float) for values in dashed[0].get_data())
        assert (x * y).tolist() == pytest.approx([360 * 40.0] * 2)
        assert "polling's own points have the slope -1.00 (log-log)" in figure.sentence
        steeper = plots.frontier(table({**rows, "b": ("polling", 720, 10.0, 45.0)}), 3600, 0.02)
        assert "have the slope -2.00" in steeper.sentence

    def test_one_polling_point_makes_no_line_unless_theory_has_one(self) -> None:
        def dashes(figure: plots.Figure) -> int:
            return sum(line.get_linestyle() == "--" for line in figure.drawing.axes[0].lines)

        theory = pd.DataFrame(
            {"approach": ["polling"], "label": ["polling"], "requests_per_hour": [36.0], "mean_latency": [50.0]}
        )
        assert dashes(plots.frontier(TABLE, 86400, 0.02)) == 0
        drawn = plots.frontier(TABLE, 86400, 0.02, theory)
        assert dashes(drawn) == 1
        hollow = [line for line in drawn.drawing.axes[0].lines if line.get_markerfacecolor() == "none"]
        assert [(*line.get_xdata(), *line.get_ydata()) for line in hollow] == [(36, 50)]
        assert "in theory polling at 36 an hour is 50 s late" in drawn.sentence

    def test_the_floor_is_the_delay(self) -> None:
        figure = plots.frontier(TABLE, 86400, 0.013)
        dotted = [line for line in figure.drawing.axes[0].lines if line.get_linestyle() == ":"]
        assert [list(line.get_ydata()) for line in dotted] == [[0.013, 0.013]]
        assert "the floor is the network's delay, 0.013 s" in figure.sentence

    def test_no_delay_breaks_no_axis(self) -> None:
        """A latency of 0 has no place on a log axis: it lies on the lower edge, and is said."""
        frame = table({"polling": ("polling", 1440, 30.0, 57.0), "webhook": ("webhook", 211, 0.0, 0.0)})
        figure = plots.frontier(frame, 86400, 0)
        assert "webhook at 8.79 an hour is 0 s late" in figure.sentence
        assert "floor" not in figure.sentence
        assert "webhook: 0 s, below the scale" in texts(figure)
        assert len(figure.png()) > 1000

    def test_what_received_nothing_is_left_out_and_said(self) -> None:
        frame = table(
            {
                "polling": ("polling", 1440, None, None),
                "webhook": ("webhook", 0, 3.0, 3.0),
                "thin": ("thin", 9, 1.0, 2.0),
            }
        )
        figure = plots.frontier(frame, 86400, 0.02)
        assert "left out: polling (it received nothing) and webhook (it sent no request)" in figure.sentence
        assert "polling" not in texts(figure)
        nothing = plots.frontier(frame.iloc[:1], 86400, 0.02)
        assert "nothing was received" in nothing.sentence
        assert "nothing was received" in texts(nothing)

    @pytest.mark.parametrize("spread", [0.0, 0.001, 1.0])
    def test_no_label_hides_another_nor_leaves_the_axes(self, spread: float) -> None:
        """Five approaches in one spot, or nearly, or apart."""
        rows = {
            f"{name} of some length": (name, int(1000 * (1 + spread * number)), 0.02 * (1 + number * spread), 0.05)
            for number, name in enumerate(["webhook", "stream", "thin", "websocket", "polling"])
        }
        figure = plots.frontier(table(rows), 86400, 0.02)
        figure.drawing.draw_without_rendering()
        axes = figure.drawing.axes[0]
        named = [text for text in axes.texts if text.get_text().endswith("length")]
        boxes = [text.get_window_extent() for text in named]
        assert sorted("\n".join(text.get_text() for text in named).split("\n")) == sorted(rows)
        assert not [1 for n, box in enumerate(boxes) for other in boxes[:n] if box.overlaps(other)]
        outer = axes.get_window_extent().padded(2)
        assert all(outer.contains(*corner) for box in boxes for corner in box.corners())

    def test_points_that_lie_on_each_other_share_a_text(self) -> None:
        """A feed sends as many requests as polling does, and is as late: two names, a line each, at one point."""
        both = table({"polling": ("polling", 1440, 30.0, 57.0), "feed": ("feed", 1440, 30.0, 57.0)})
        assert "polling\nfeed" in texts(plots.frontier(both, 86400, 0.02))
        apart = table({"polling": ("polling", 1440, 30.0, 57.0), "feed": ("feed", 1440, 33.0, 57.0)})
        assert {"polling", "feed"} <= set(texts(plots.frontier(apart, 86400, 0.02)))

    def test_names_its_axes_with_units(self) -> None:
        axes = plots.frontier(TABLE, 86400, 0.02).drawing.axes[0]
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_xlabel() == "requests an hour (log scale)"
        assert axes.get_ylabel() == "mean latency, seconds (log scale)"

    def test_a_datum_changed_changes_the_sentence(self) -> None:
        before = plots.frontier(TABLE, 86400, 0.02).sentence
        for column, by in (("requests", 100), ("latency_mean", 0.1), ("latency_p95", 0.1)):
            changed = TABLE.assign(**{column: TABLE[column] + by})
            assert plots.frontier(changed, 86400, 0.02).sentence != before
        assert plots.frontier(TABLE, 80000, 0.02).sentence != before

    def test_is_grey_above_the_limit_where_no_label_lies_on_its_edge(self) -> None:
        assert "too late" not in plots.frontier(TABLE, 86400, 0.02).sentence
        figure = plots.frontier(TABLE, 86400, 0.02, limit=31)
        axes = figure.drawing.axes[0]
        (band,) = axes.patches
        assert band.get_y() == 31 and "too late is above 31 s" in figure.sentence
        figure.png()
        at = axes.transData.transform((1, 31))[1]
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text() != "too late"]
        assert not [box for box in boxes if box.y0 < at < box.y1]

    def test_refuses_what_it_cannot_draw(self) -> None:
        with pytest.raises(ValueError, match="limit must be > 0 seconds, got 0"):
            plots.frontier(TABLE, 86400, 0.02, limit=0)
        with pytest.raises(ValueError, match="table must have at least one row, got none"):
            plots.frontier(TABLE.iloc[:0], 86400, 0.02)
        with pytest.raises(ValueError, match="missing: requests"):
            plots.frontier(TABLE.drop(columns="requests"), 86400, 0.02)
        with pytest.raises(ValueError, match="duration must be > 0 seconds, got 0"):
            plots.frontier(TABLE, 0, 0.02)
        with pytest.raises(ValueError, match="delay must be >= 0 seconds, got -1"):
            plots.frontier(TABLE, 86400, -1)
        with pytest.raises(ValueError, match="theory must have the columns"):
            plots.frontier(TABLE, 86400, 0.02, TABLE)
        bad = pd.DataFrame({"approach": ["polling"], "label": ["a"], "requests_per_hour": [0], "mean_latency": [1]})
        with pytest.raises(ValueError, match=r"requests_per_hour > 0 .* got 0.0 and 1.0 for 'a'"):
            plots.frontier(TABLE, 86400, 0.02, bad)


class TestCrossover:
    def test_draws_the_frames_own_numbers_with_their_standard_errors(self) -> None:
        figure = plots.crossover(MEASURED)
        for axes, column in zip(figure.drawing.axes, ["requests_per_event", "bytes_per_event"], strict=True):
            lines = {line.get_marker(): line for line in axes.lines}
            for approach, marker in {"polling": "o", "webhook": "v"}.items():
                rows = MEASURED[MEASURED.approach == approach]
                assert list(lines[marker].get_xdata()) == rows.load.tolist()
                assert list(lines[marker].get_ydata()) == rows[column].tolist()
            assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
            assert axes.get_xlabel() == "load λT, events an interval (log scale)"
        bars = figure.drawing.axes[0].collections[0].get_segments()
        assert [segment[:, 1].round(9).tolist() for segment in bars][:2] == [[9.99, 10.01], [1.99, 2.01]]

    def test_rules_stand_where_polling_and_webhook_cross(self) -> None:
        """Requests: 2 at 0.5 and 0.5 at 2 meet 1 at 1. Bytes: both are 800 at 0.5."""
        figure = plots.crossover(MEASURED.assign(bytes_per_event=MEASURED.bytes_per_event * [1, 1, 1, 1, 2, 2, 2, 2]))
        ruled = [
            [round(float(line.get_xdata()[0]), 9) for line in axes.lines if line.get_linestyle() == "--"]
            for axes in figure.drawing.axes
        ]
        assert ruled == [[1.0], [0.5]]
        assert figure.sentence.count("polling and webhook cross at λT = ") == 2
        assert "cross at λT = 1;" in figure.sentence
        assert figure.sentence.endswith("cross at λT = 0.5.")

    def test_where_they_do_not_cross_it_says_so_and_draws_no_rule(self) -> None:
        figure = plots.crossover(MEASURED[MEASURED.load < 1])
        assert figure.sentence.count("polling and webhook do not cross") == 2
        assert not [line for axes in figure.drawing.axes for line in axes.lines if line.get_linestyle() == "--"]
        assert "cross" not in plots.crossover(MEASURED[MEASURED.approach == "polling"]).sentence

    def test_crossing_twice_is_two_rules(self) -> None:
        wavy = pd.concat(
            [loads("polling", [1, 2, 4], [2, 0.5, 2], [1, 1, 1]), loads("webhook", [1, 2, 4], [1, 1, 1], [9, 9, 9])]
        )
        assert "cross at λT = 1.41 and 2.83;" in plots.crossover(wavy).sentence

    def test_theory_is_drawn_as_given(self) -> None:
        theory = pd.DataFrame({"approach": "polling", "load": [0.01, 100.0], "requests_per_event": [100.0, 0.01]})
        axes = plots.crossover(MEASURED, theory).drawing.axes
        full = [[line for line in panel.lines if line.get_linestyle() == "-"] for panel in axes]
        assert [len(lines) for lines in full] == [1, 0]
        assert list(full[0][0].get_ydata()) == [100.0, 0.01]
        both = plots.crossover(MEASURED, theory.assign(bytes_per_event=[500.0, 600.0])).drawing.axes[1]
        assert [list(line.get_ydata()) for line in both.lines if line.get_linestyle() == "-"] == [[500.0, 600.0]]

    def test_names_stand_apart(self) -> None:
        near = pd.concat(
            [loads(name, [1, 2], [1, 1.0001], [5, 5]) for name in ("webhook", "thin", "stream", "batched")]
        )
        figure = plots.crossover(near)
        figure.drawing.draw_without_rendering()
        for axes in figure.drawing.axes:
            heights = sorted(text.xyann[1] for text in axes.texts)
            assert len(heights) == 4
            assert min(np.diff(heights)) * axes.get_window_extent().height > 13 * 100 / 72

    def test_a_datum_changed_changes_the_sentence(self) -> None:
        before = plots.crossover(MEASURED, events=10).sentence
        assert ", 10 events a point" in before
        assert plots.crossover(MEASURED.assign(load=MEASURED.load * 1.1), events=10).sentence != before
        assert (
            plots.crossover(MEASURED.assign(bytes_per_event=MEASURED.bytes_per_event + 9), events=10).sentence != before
        )

    def test_refuses_what_it_cannot_draw(self) -> None:
        with pytest.raises(ValueError, match="measured must have at least one row, got none"):
            plots.crossover(MEASURED.iloc[:0])
        with pytest.raises(ValueError, match="missing: bytes_se"):
            plots.crossover(MEASURED.drop(columns="bytes_se"))
        with pytest.raises(ValueError, match=r"got two for polling at 0.1"):
            plots.crossover(pd.concat([MEASURED, MEASURED]))
        with pytest.raises(ValueError, match="load must be > 0 events an interval, got 0"):
            plots.crossover(MEASURED.assign(load=MEASURED.load - 0.1))
        with pytest.raises(ValueError, match="theory must have the columns approach, load, requests_per_event"):
            plots.crossover(MEASURED, pd.DataFrame({"load": [1]}))


class TestSwimLanes:
    def test_says_what_the_frames_hold(self) -> None:
        """Set-up, and a poll at the window's end, are left out; a throttled attempt failed."""
        figure = plots.swim_lanes(MINUTE, {"polling": POLLS, "webhook": DELIVERIES}, 0, 60)
        assert figure.sentence == (
            "In 1 minute from t = 0 s: 3 events occurred;"
            " polling asked 3 times (2 found something, 1 found nothing, 0 failed);"
            " webhook was told by 5 attempts (3 failed, 2 retried)."
        )

    def test_a_real_run_is_counted_as_its_ledger_counts(self, run: Comparison) -> None:
        start, end = 3000.0, 9000.0
        polling, webhook = run[0], run[2]
        figure = plots.swim_lanes(webhook.receipts, {r.label: r.exchanges for r in (polling, webhook)}, start, end)
        polls = [x for x in polling.exchanges.itertuples() if x.kind == "poll" and start <= x.sent_at < end]
        hits = sum(x.new_events > 0 for x in polls)
        events = sum(start <= at < end for at in webhook.receipts.occurred_at)
        assert f"{events} events occurred" in figure.sentence
        assert (
            f"asked {len(polls)} times ({hits} found something, {len(polls) - hits} found nothing, 0 failed)"
            in figure.sentence
        )
        assert f"webhook was told by {events} attempts (0 failed, 0 retried)" in figure.sentence

    def test_lanes_are_named_for_what_is_in_them(self) -> None:
        figure = plots.swim_lanes(
            MINUTE, {"polling": POLLS, "webhook": DELIVERIES, "hybrid": pd.concat([POLLS, DELIVERIES])}, 0, 60
        )
        axes = figure.drawing.axes[0]
        named = {
            round(float(y)): text.get_text() for y, text in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
        }
        assert named == {4: "world", 3: "source", 2: "poller\npolling", 1: "receiver\nwebhook", 0: "consumer\nhybrid"}
        assert axes.get_xlabel() == "minutes after t = 0 s"

    def test_hollow_found_nothing_and_filled_found_something(self) -> None:
        axes = plots.swim_lanes(MINUTE, {"polling": POLLS}, 0, 60).drawing.axes[0]
        by_fill: dict[tuple[float, ...], list[float]] = {}
        for marks in axes.collections:
            offsets = np.asarray(marks.get_offsets())
            if len(offsets) and len(marks.get_facecolor()):
                by_fill[to_rgb(marks.get_facecolor()[0])] = (offsets[:, 0] * 60).round(9).tolist()
        assert by_fill[to_rgb("white")] == [0]
        assert by_fill[to_rgb(Polling.style.colour)] == [30, 59]

    def test_arrows_lead_from_the_source_at_the_sending_and_lean_with_time(self) -> None:
        axes = plots.swim_lanes(MINUTE, {"webhook": DELIVERIES}, 0, 60).drawing.axes[0]
        hue = to_rgb(Webhook.style.colour)
        solid, dashed = [
            c.get_segments() for c in axes.collections if c.get_zorder() == 2 and to_rgb(c.get_edgecolor()[0]) == hue
        ]
        assert [round(float(start[0]) * 60, 9) for start, _ in solid] == [10, 20, 50]
        assert [round(float(start[0]) * 60, 9) for start, _ in dashed] == [25, 55]
        assert all(start[1] == 1 and tip[1] == 0 and tip[0] > start[0] for start, tip in (*solid, *dashed))
        assert round(float(dashed[0][1][0]) * 60, 9) == 26

    def test_without_attempts_none_is_a_retry(self) -> None:
        figure = plots.swim_lanes(MINUTE, {"webhook": DELIVERIES.drop(columns="attempt")}, 0, 60)
        assert "5 attempts (3 failed, 0 retried)" in figure.sentence

    def test_less_than_a_minute_is_drawn_in_seconds(self) -> None:
        figure = plots.swim_lanes(MINUTE, {"polling": POLLS, "webhook": DELIVERIES}, 0, 59)
        axes = figure.drawing.axes[0]
        assert figure.sentence.startswith("In 59 seconds from t = 0 s: 3 events occurred; polling asked 2 times")
        assert axes.get_xlabel() == "seconds after t = 0 s"
        assert [float(corner[0][0]) for corner in axes.collections[0].get_segments()] == [10, 20, 50]
        marks = {float(x) for drawn in axes.collections for x, _ in np.asarray(drawn.get_offsets())}
        assert {0, 30, 56} <= marks and max(marks) == 56

    def test_quiet_minutes_are_drawn_too(self) -> None:
        figure = plots.swim_lanes(MINUTE.iloc[:0], {"polling": POLLS, "webhook": DELIVERIES.iloc[:0]}, 100, 160)
        assert (
            "0 events occurred; polling neither asked nor was told; webhook neither asked nor was told"
            in figure.sentence
        )
        assert len(figure.png()) > 1000

    def test_two_thousand_events_are_drawn(self) -> None:
        at = np.linspace(0, 599, 2000)
        told = pd.DataFrame(
            {"consumer": "c", "kind": "delivery", "outcome": "hit", "sent_at": at, "answered_at": at + 0.04}
        )
        figure = plots.swim_lanes(receipts(at.tolist(), at.tolist()), {"webhook": told}, 0, 600)
        assert "2,000 events occurred; webhook was told by 2,000 attempts" in figure.sentence
        assert len(figure.png()) > 1000

    def test_a_datum_changed_changes_the_sentence(self) -> None:
        before = plots.swim_lanes(MINUTE, {"webhook": DELIVERIES}, 0, 60).sentence
        healed = DELIVERIES.assign(outcome="hit")
        assert plots.swim_lanes(MINUTE, {"webhook": healed}, 0, 60).sentence != before
        assert plots.swim_lanes(MINUTE.iloc[1:], {"webhook": DELIVERIES}, 0, 60).sentence != before

    def test_refuses_what_it_cannot_draw(self) -> None:
        with pytest.raises(ValueError, match=r"end must be > start, .* got start=60 and end=0"):
            plots.swim_lanes(MINUTE, {"polling": POLLS}, 60, 0)
        with pytest.raises(ValueError, match="at least one approach"):
            plots.swim_lanes(MINUTE, {}, 0, 60)
        with pytest.raises(ValueError, match=r"exchanges of 'polling' must have the columns .*; missing: outcome"):
            plots.swim_lanes(MINUTE, {"polling": POLLS.drop(columns="outcome")}, 0, 60)
        with pytest.raises(ValueError, match="receipts must have the columns event_id, occurred_at; missing"):
            plots.swim_lanes(POLLS, {"polling": POLLS}, 0, 60)
        with pytest.raises(ValueError, match="of one consumer, got 2"):
            plots.swim_lanes(MINUTE, {"polling": pd.concat([POLLS, POLLS.assign(consumer="d")])}, 0, 60)
