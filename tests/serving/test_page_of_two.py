"""The page beside a candidate: two models side by side, where a person asks for that."""

import csv
import io
import json
import math
import re
from urllib.parse import quote

import numpy as np
import pytest
from browser import CHROMIUM, CTRL, browser
from server import asked, wait_until
from test_promotion_under_load import health, promote, with_golden
from toy_registry import toy_version

from ojala.physics.diagrams import BPT_LINES, WHAN_CUTS
from pipelines.registry import shadow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: chromium"),
]

SOURCES = [
    {"MAG_i": 19.0, "J0500": 0.7, "J0500_ERR": 0.02, "J0660": 1.1},
    {"MAG_i": 18.1, "J0378": 0.4},
    {"MAG_i": None},
]
ANSWERED = "document.getElementById('told').textContent.includes('answered by')"
IS_OFFERED = "!document.getElementById('compare').hidden"


@pytest.fixture(scope="module")
def made(project):
    classes = ("GALAXY", "QSO")
    found = [with_golden(toy_version(project / "v", n, one)) for n, one in enumerate(classes)]
    promote(found[0])
    return found


@pytest.fixture
def page(tmp_path):
    with browser(tmp_path) as page:
        yield page


@pytest.fixture
def standing(address, made):
    with shadow._in_shadow(made[1], 1e-9):
        wait_until(lambda: (health(address)["shadow"] or {}).get("state") == "compared", 300)
        yield made[1]
    wait_until(lambda: health(address)["shadow"] is None)


def link(address, sources, before=""):
    return f"{address}/#{before}{quote(json.dumps(sources))}"


def kept_as_csv(page):
    text = page.read("fetch(document.getElementById('csv').href).then((one) => one.text())")
    return list(csv.DictReader(io.StringIO(text)))


def table(page):
    """Cells of the quantities, by the name of each."""
    rows = page.read(
        "[...document.querySelectorAll('#quantities tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return {name: cells for name, *cells in rows}


def lines(page):
    return page.read("document.querySelectorAll('#pdf polyline').length")


def test_without_a_candidate_none_is_offered_and_a_link_to_one_is_told(address, made, page):
    page.open(link(address, SOURCES))
    page.wait_for(ANSWERED)
    assert not page.read(IS_OFFERED) and lines(page) == 2
    assert {"CANDIDATE_VERSION"}.isdisjoint(kept_as_csv(page)[0])
    page.open(link(address, SOURCES, "candidate:"))
    page.wait_for(ANSWERED)
    told = page.text("told")
    assert "by version 1." in told and "Not by a candidate: no candidate stands" in told
    assert page.read("document.getElementById('told').className") == "wrong"
    assert lines(page) == 2 and not page.read(IS_OFFERED)


def test_by_keyboard_both_are_asked_and_stand_side_by_side(address, made, standing, page):
    page.open(address)
    page.wait_for(IS_OFFERED)
    assert "version 2" in page.text("standing")
    page.read(
        f"document.getElementById('sources').value = {json.dumps(json.dumps(SOURCES))};"
        "document.getElementById('sources').focus()"
    )
    page.press("Enter", CTRL)
    page.wait_for(ANSWERED)
    assert lines(page) == 2  # nobody is shown it who did not ask
    for _ in range(3):
        page.press("Tab")
    assert page.read("document.activeElement.id") == "beside"
    page.press(" ")
    page.press("Enter")
    page.wait_for("document.querySelectorAll('#pdf polyline').length === 4")
    page.wait_for(ANSWERED)
    check_side_by_side(address, made, page)
    href = page.read("document.getElementById('link').href")
    page.open(href)
    page.wait_for(ANSWERED)
    check_side_by_side(address, made, page)


def check_side_by_side(address, made, page):
    both = [
        asked(f"{address}/predict", {"sources": SOURCES} | more)[1]["predictions"]
        for more in ({}, {"model": "candidate"})
    ]
    assert "answered by version 1 and by version 2" in page.text("told")
    head = page.read("document.querySelector('#quantities thead').textContent")
    for one in made:
        named = f"version {one.version}, {one.digest[:8]}"
        assert named in head and named in page.text("whose")
    check_differences(both[0][0], both[1][0], table(page))
    bars = page.read("document.querySelector('#classes svg').getAttribute('aria-label')")
    assert bars.startswith("galaxy 100.0 %") and bars.endswith(
        "; the candidate: galaxy 0.0 %, star 0.0 %, quasar 100.0 %"
    )
    check_csv(both, made, kept_as_csv(page))


def check_differences(first, second, cells):
    assert float(cells["P_QSO"][2]) == pytest.approx(second["P_QSO"], abs=6e-4)
    num = 0
    for name, error in ((name, first.get(f"{name}_ERR")) for name in first):
        if error is None:
            continue
        value, own, other, its, apart, *_ = cells[name]
        num += 1
        for shown, true, of in (
            (value, first[name], error),
            (own, error, error),
            (other, second[name], second[f"{name}_ERR"]),
            (its, second[f"{name}_ERR"], second[f"{name}_ERR"]),
        ):
            assert float(shown) == pytest.approx(true, abs=0.051 * of)
        expected = (second[name] - first[name]) / error
        assert apart.endswith(" sigma")
        assert float(apart.split()[0]) == pytest.approx(expected, abs=0.0051)
    assert num == 14  # all of the 15 but the class


def check_csv(both, made, rows):
    assert len(rows) == len(SOURCES)
    for n, row in enumerate(rows):
        for prefix, answers, version in (("", both[0], made[0]), ("CANDIDATE_", both[1], made[1])):
            assert row[f"{prefix}VERSION"] == version.version
            assert row[f"{prefix}DIGEST"] == version.digest
            for name, value in answers[n].items():
                given = row[prefix + name]
                if isinstance(value, float):
                    assert float(given) == value
                else:
                    assert given == (value or "")


def test_who_went_is_offered_no_longer(address, made, page):
    with shadow._in_shadow(made[1], 1e-9):
        wait_until(lambda: (health(address)["shadow"] or {}).get("state") == "compared", 300)
        page.open(link(address, SOURCES, "candidate:"))
        page.wait_for("document.querySelectorAll('#pdf polyline').length === 4")
        page.wait_for(ANSWERED)
        assert page.read(IS_OFFERED)
    wait_until(lambda: health(address)["shadow"] is None)
    page.read("document.getElementById('ask').requestSubmit()")
    page.wait_for("document.getElementById('compare').hidden")
    assert "Not by a candidate" in page.text("told") and lines(page) == 2


WIDTHS = ("OIII_5007_EW", "HBETA_4861_EW", "NII_6584_EW", "HALPHA_6562_EW")


def line_plots(page, *widths):
    """The diagrams of models that say these widths, 10 % each, as SVG."""
    said = [
        dict(zip(WIDTHS, one, strict=True))
        | {f"{name}_ERR": abs(width) / 10 for name, width in zip(WIDTHS, one, strict=True)}
        for one in widths
    ]
    return page.read(f"linePlots({json.dumps(said)}, divided)")


def marks(plot):
    return [
        (float(x), float(y))
        for x, y in re.findall(r'<circle class="place[^"]*" cx="([-.\d]+)" cy="([-.\d]+)"', plot)
    ]


def places(plot, name):
    """Where a dividing line is drawn."""
    (points,) = re.findall(rf'points="([^"]+)"><title>{re.escape(name)}</title>', plot)
    return [tuple(map(float, one.split(","))) for one in points.split()]


@pytest.mark.parametrize("name", ["Ke01", "Ka03", "S06"])
def test_a_galaxy_on_a_dividing_line_is_drawn_on_it(address, made, page, name):
    page.open(address)
    page.wait_for("divided !== null")
    x = -0.5
    y = float(BPT_LINES[name](np.array(x)))
    plots = line_plots(page, (10**y * 4.0, 4.0, 10**x * 20.0, 20.0))
    (at,) = marks(plots["bpt"])
    assert min(math.dist(at, one) for one in places(plots["bpt"], name)) < 0.15
    ratio = WHAN_CUTS[name]
    plots = line_plots(page, (1.0, 1.0, ratio * 20.0, 20.0), (1.0, 1.0, ratio * 3.0, 3.0))
    strong, weak = marks(plots["whan"])
    assert strong[0] == weak[0] == places(plots["whan"], name)[0][0]
    assert weak[1] == places(plots["whan"], "EW(H-alpha) 3 Angstrom")[0][1] > strong[1]


def test_a_line_that_is_not_in_emission_has_no_place(address, made, page):
    page.open(address)
    page.wait_for("divided !== null")
    plots = line_plots(page, (1.0, -1.0, 3.0, 9.0))  # H-beta in absorption
    assert marks(plots["bpt"]) == [] and "not in emission" in plots["bpt"]
    assert len(marks(plots["whan"])) == 1 and "not in emission" not in plots["whan"]
    assert "0.95 +- 0.04" in plots["whan"]  # log10 of 9, and a tenth of it
    assert page.read("linePlots([{ LOGM: 10 }], divided)") is None


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_narrow_window_and_is_legible_in_both_schemes(
    address, standing, page, dark, width
):
    page.look(dark=dark, width=width)
    page.open(link(address, SOURCES, "candidate:"))
    page.wait_for(ANSWERED)
    assert page.read("document.documentElement.scrollWidth") <= width
    ink, paper = (
        page.read(f"getComputedStyle(document.body).{name}")
        for name in ("color", "backgroundColor")
    )
    assert (lightness(ink) > lightness(paper)) == dark
    assert abs(lightness(ink) - lightness(paper)) > 400


def lightness(colour):
    return sum(int(one) for one in colour.strip("rgb()").split(","))
