"""Pictures: what is drawn is what the results hold, and what is said is what is drawn."""

import base64
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from made_results import HOSTILE, every_picture, made, polled, pushed, texts
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from labkit import plots
from labkit.approaches import APPROACHES, Aimd, Batched, Polling, Stream, Webhook
from labkit.arrivals import Arrivals, poisson
from labkit.experiment import Comparison
from labkit.lenses import VirtualLens
from labkit.plots.window import date, window
from labkit.scenario import Scenario
from labkit.trace import earthquakes

NAMES = [
    "staircases", "frontier", "crossover", "swim_lanes", "timeline", "latencies", "survival", "request_bars",
    "intervals", "overview", "load",
]  # fmt: skip


@pytest.fixture(scope="module")
def run() -> Comparison:
    scenario = Scenario(earthquakes(duration=21_600), delay=0.02)
    approaches = [Polling(interval=300), Polling(interval=600), Webhook()]
    return Comparison(scenario, tuple(VirtualLens().run(scenario, approach) for approach in approaches))


class TestFigure:
    @pytest.mark.parametrize("name", NAMES)
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
        picture = imread(BytesIO(base64.b64decode(data)))
        assert picture.shape[0] > 300
        assert picture[..., :3].std() > 0.01

    @pytest.mark.parametrize("name", NAMES)
    def test_is_saved_as_svg_that_is_well_formed_whatever_the_labels(self, name: str, tmp_path: Path) -> None:
        figure = every_picture()[name]
        root = ElementTree.fromstring(figure.save(str(tmp_path / "a.SVG")).read_text())
        assert root.tag.endswith("svg")
        assert figure.sentence in [element.text for element in root.iter()]

    def test_is_saved_as_its_suffix_says_in_a_folder_that_was_not_there(self, tmp_path: Path) -> None:
        figure, folder = every_picture()["swim_lanes"], tmp_path / "new" / "folder"
        picture = imread(figure.save(folder / "a.png"))
        assert picture.shape[0] > 300
        assert picture[..., :3].std() > 0.01
        assert figure.save(folder / "a.pdf").read_bytes().startswith(b"%PDF")

    def test_refuses_other_suffixes(self, tmp_path: Path) -> None:
        figure = plots.request_bars(polled())
        with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.pdf, got .*picture\.gif"):
            figure.save(tmp_path / "new" / "picture.gif")
        with pytest.raises(ValueError, match="must end in"):
            figure.save(tmp_path / "picture")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", NAMES)
    def test_writes_large_enough_to_project(self, name: str) -> None:
        from matplotlib.text import Text

        found = [text for text in every_picture()[name].drawing.findobj(Text) if text.get_visible() and text.get_text()]
        assert len(found) >= 4
        assert min(text.get_fontsize() for text in found) >= 12

    def test_leaves_pyplot_alone_and_says_the_same_in_another_process(self) -> None:
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import made_results\n"
            "figures = made_results.every_picture().values()\n"
            "for figure in figures: print(figure.sentence)\n"
            "figure._repr_mimebundle_()\n"
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

    def test_has_a_name_that_no_module_has(self) -> None:
        """A module would take the picture's place in `labkit.plots` as soon as it is imported."""
        assert set(plots.__all__) <= set(dir(plots))
        assert not set(plots.__all__) & {path.stem for path in Path(plots.__file__).parent.glob("*.py")}

    def test_takes_results_alone(self) -> None:
        for picture in (plots.swim_lanes, plots.staircases, plots.frontier, plots.crossover, plots.latencies,
                        plots.survival, plots.request_bars, plots.phase):  # fmt: skip
            with pytest.raises(ValueError, match="at least one approach, got none"):
                picture([])
            with pytest.raises(TypeError, match=r"a picture takes results, such as compare\(…\)\[0\], got 'polling'"):
                picture(["polling"])


class TestTitles:
    def test_are_for_people(self) -> None:
        assert Polling(interval=60).title == "poll every 60 s"
        assert Polling(interval=900, jitter=0.2).title == "poll every 900 s, jitter=0.2"
        assert Aimd(shortest=10, longest=600).title == "AIMD 10 s to 600 s"
        assert Polling(interval=86_399).title == "poll every 86,399 s"
        assert Polling(interval=129_600).title == "poll every 1 day 12 h"
        assert Batched(count=10).title == "batch of 10"
        assert Batched(count=10, max_wait=30).title == "batch of 10, max_wait=30"

    def test_no_two_approaches_share_one(self) -> None:
        titles = [approach().title for approach in APPROACHES.values()]
        assert len(set(titles)) == len(titles)
        assert not [title for title in titles if "_" in title or "=" in title]

    def test_a_subclass_without_a_phrase_has_its_label(self) -> None:
        class Moody(Polling):
            name = "moody"

        assert Moody().title == "moody interval=60"


class TestTheory:
    @pytest.mark.parametrize("approach", [approach() for approach in APPROACHES.values()], ids=lambda each: each.name)
    def test_each_approach_declares_its_closed_form(self, approach) -> None:
        law = approach.theory(1 / 360, 0.02)
        assert law is not None
        assert law.mean_latency >= 0.02 and law.requests_per_event >= 0 and law.requests(86_400) > 0

    def test_with_its_own_parameters(self) -> None:
        assert Polling(interval=300, fixed="rate").theory(1 / 360, 0.02).mean_latency == 150.02
        assert Polling(interval=60, jitter=0.2).theory(1 / 360, 0).mean_latency == pytest.approx(30 * (1 + 0.04 / 3))
        assert Stream().theory(1 / 360, 0.02).requests(86_400) == 1


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
        pictures = (
            plots.staircases,
            plots.frontier,
            plots.latencies,
            plots.survival,
            plots.swim_lanes,
            plots.request_bars,
        )
        for picture in pictures:
            axes = picture(pushed()).drawing.axes[0]
            lines = [to_rgb(line.get_color()) for line in axes.lines]
            faces = [to_rgb(face) for drawn in (*axes.collections, *axes.patches)
                     for face in np.atleast_2d(drawn.get_facecolor())]  # fmt: skip
            assert hue in [*lines, *faces], picture.__name__


class TestWindow:
    def test_its_origin_is_a_date_where_events_were_recorded(self) -> None:
        recorded = made(Polling(), [10.0], [40.0], epoch=1_518_780_778.9)
        assert str(window(recorded, None, None, 600)) == "10 minutes from Fri 16 Feb 2018, 11:33:08 UTC"
        assert date(1_518_780_780) == "Fri 16 Feb 2018, 11:33 UTC"

    def test_else_the_busiest_hour_or_an_instant(self, run: Comparison) -> None:
        by_hand = made(Polling(), [10.0], [40.0])
        assert str(window(by_hand, None, None, 600)) == "10 minutes from the busiest hour's start"
        assert window(by_hand, 5, None, 600).axis == "minutes from t = 5 s"
        drawn = VirtualLens().run(Scenario(poisson(duration=3600)), Webhook())
        assert str(window(drawn, 0, 59, 600)) == "59 seconds from t = 0 s"

    def test_has_a_unit_of_its_length(self) -> None:
        result = made(Polling(), [10.0], [40.0])
        found = [(window(result, 0, end, 1).axis.split()[0], window(result, 0, end, 1).length)
                 for end in (59, 60, 10_800, 172_800)]  # fmt: skip
        assert found == [("seconds", 59), ("minutes", 1), ("hours", 3), ("days", 2)]

    def test_the_end_alone_gives_the_default_length_before_it(self) -> None:
        result = made(Polling(), [10.0], [40.0])
        assert (window(result, None, 900, 600).start, window(result, None, 500, 600).start) == (300, 0)

    def test_busiest_finds_the_first_window_with_most_events(self) -> None:
        instants = [0, 50, 60, 100, 300, 301, 302]
        result = made(Polling(), instants, instants, duration=600)
        assert plots.busiest(result, 51) == (50, 101)
        assert plots.busiest(result, 50) == (300, 350)
        assert plots.busiest(made(Polling(), [], []), 5) == (0, 5)

    def test_busiest_equals_a_search_of_every_start(self, run: Comparison) -> None:
        occurred = run[0].receipts.occurred_at.tolist()
        counts = [sum(start <= at < start + 1800 for at in occurred) for start in occurred]
        assert plots.busiest(run[0], 1800)[0] == occurred[counts.index(max(counts))]

    def test_refuses_an_empty_one(self) -> None:
        for start, end in ((60, 60), (0, float("nan")), (60, 0)):
            with pytest.raises(ValueError, match=rf"end must be > start, .* got start={start} and end={end}"):
                plots.staircases(polled(), start, end)
        with pytest.raises(ValueError, match="seconds must be > 0, got 0"):
            plots.busiest(polled(), 0)


class TestStaircases:
    def test_draw_the_results_own_instants(self) -> None:
        axes = plots.staircases(polled(), 0, 60).drawing.axes[0]
        lines = {line.get_label(): line for line in axes.lines}
        for name, instants in {"occurred": [10, 20, 50], "received": [30.04, 30.04, 59.9]}.items():
            assert (np.asarray(lines[name].get_xdata())[1:-1] * 60).round(9).tolist() == instants
            assert np.asarray(lines[name].get_ydata()).tolist() == [0, 1, 2, 3, 3]
        assert axes.get_xlabel() == "minutes from t = 0 s"
        assert axes.get_ylabel() == "events, cumulative"

    def test_the_area_is_the_total_latency(self, run: Comparison) -> None:
        """Little's law: what is said of the drawn gap equals the sum over the receipts, computed apart."""
        start, end = plots.busiest(run[0])
        figure = plots.staircases(run)
        for result in run:
            held = result.receipts[result.receipts.occurred_at.between(start, end, inclusive="left")]
            total = float(f"{held.latency.sum():.4g}")
            said = (
                f"{result.approach.title} received {len(held)} of {len(held)} with a total latency of {total:,.10g} s"
            )
            assert said in figure.sentence
            assert any(text.endswith(f"\narea = total latency = {total:,.10g} s") for text in texts(figure))

    def test_a_shaded_gap_lies_between_the_two_lines(self) -> None:
        vertices = plots.staircases(polled(), 0, 60).drawing.axes[0].collections[0].get_paths()[0].vertices
        x, y = np.asarray(vertices)[:, 0] * 60, np.asarray(vertices)[:, 1]
        shaded = abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2
        assert shaded == pytest.approx(20.04 + 10.04 + 9.9)

    def test_a_window_is_half_open_and_its_last_receipt_is_not_cut_off(self) -> None:
        result = made(Polling(), [0, 60, 61], [1, 400, 62], duration=100)
        assert "received 1 of 1 with a total latency of 1 s" in plots.staircases(result, 0, 60).sentence
        figure = plots.staircases(result, 60, 61)
        assert "received 1 of 1 with a total latency of 340 s" in figure.sentence
        assert figure.drawing.axes[0].get_xlim()[1] > 340

    def test_say_what_never_came(self) -> None:
        figure = plots.staircases(made(Polling(), [10, 20], [np.nan, 30]), 0, 60)
        assert "received 1 of 2, an area of" in figure.sentence
        assert "total latency" not in figure.sentence
        assert any("area so far = " in text for text in texts(figure))

    def test_panels_share_their_axes(self) -> None:
        late = made(Webhook(), [5], [400])
        figure = plots.staircases([polled(), late, polled(), late], 0, 60)
        assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.drawing.axes}) == 1
        assert len(figure.drawing.axes) == 4

    def test_no_event_is_said_too(self) -> None:
        figure = plots.staircases(made(Polling(), [], []), 0, 60)
        assert "received none, since none occurred" in figure.sentence
        assert len(figure.png()) > 1000

    def test_a_picture_drawn_wrong_has_a_wrong_sentence(self) -> None:
        figure = plots.staircases(polled(), 0, 60)
        before = figure.sentence
        line = next(line for line in figure.drawing.axes[0].lines if line.get_label() == "received")
        line.set_xdata(np.asarray(line.get_xdata()) + 0.01)
        assert figure.sentence != before


def test_a_picture_is_of_the_first_of_several_consumers_and_says_so() -> None:
    scenario = Scenario(Arrivals("one", earthquakes(duration=7200).events, 7200, 0, {}), consumers=3)
    result = VirtualLens().run(scenario, Polling(interval=600))
    figure = plots.swim_lanes(result, 0, 3600)
    assert "poll every 600 s, 1 of 3 consumers: polled 6 times" in figure.sentence
    assert "1 of 3 consumers" in plots.staircases(result, 0, 3600).sentence
