import re
from html.parser import HTMLParser

import pytest
from matched_sets import evaluated, surroundings

from ojala.figures.album import album
from ojala.figures.style import save
from ojala.measures.metrics import NOT_ENOUGH
from ojala.report.page import cell, paragraph, table
from ojala.report.peers import peers
from ojala.report.report import CAVEATS, SECTIONS, report
from ojala.report.tables import gaps
from ojala.vocabulary.quantities import CLASSES

VOID = {"meta", "link", "img"}


class Checked(HTMLParser):
    """Tags that are open, images, links out of the page, ids and their targets."""

    def __init__(self):
        super().__init__()
        self.open, self.images, self.outside, self.ids, self.targets = [], [], [], set(), set()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.add(found.get("id"))
        address = found.get("src") or found.get("href") or "data:"
        if address.startswith("#"):
            self.targets.add(address[1:])
        elif not address.startswith("data:"):
            self.outside.append(address)
        if tag == "img":
            self.images.append(found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def written(path, found, source="simulated"):
    plates = album(found, surroundings(found))
    figures = [(plate, path / f"{plate.name}.png") for plate in plates]
    for plate, png in figures[:3]:
        save(plate.draw(), png)
    report(path / "report.html", found, figures[:3], {"Bundle": "<a & b>"}, source)
    return (path / "report.html").read_text()


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return written(tmp_path_factory.mktemp("report"), evaluated())


def test_the_page_is_whole_and_needs_nothing_beside_itself(text):
    checked = Checked()
    checked.feed(text)
    assert not checked.open
    assert not checked.outside
    assert checked.targets <= checked.ids
    assert len(checked.images) == 3
    assert all(image["alt"] for image in checked.images)


def test_the_page_says_what_was_run_and_on_which_data(text):
    assert "simulated sky" in text
    assert "real J-PAS" in text
    assert "&lt;a &amp; b&gt;" in text
    assert all(title in text for title in SECTIONS.values() if "?" not in title)
    assert CAVEATS[0].split(".")[0] in text


def test_the_papers_numbers_stand_beside_ours(text):
    for value in ("0.160", "0.223", "0.674", "0.934"):  # of Tables 1, 1, 2, 3
        assert f'<td class="paper">{value}</td>' in text
    assert "0.11 (Sect. 4.5)" in text


def test_a_score_that_never_differs_has_no_interval():
    found = evaluated()
    rows = gaps(found).split("<tr><td>")
    (same,) = (row for row in rows if row.startswith("weighted F1"))
    (other,) = (row for row in rows if row.startswith("Galaxies, log stellar mass (dex): bias"))
    assert "0 ... 0" not in same and "no difference in 95 % of the draws" in same
    assert re.search(r"[+-]0\.\d+ \.\.\. [+-]0\.\d+", other)


def test_real_data_are_not_called_simulated(tmp_path):
    assert "simulated sky" not in written(tmp_path, evaluated(), "desi").split("</nav>")[0]


@pytest.mark.parametrize("kept", [slice(0), slice(1)])
def test_a_report_of_almost_nothing_says_so(tmp_path, kept):
    text = written(tmp_path, evaluated(kept))
    assert text.count(NOT_ENOUGH) > 50
    assert "nan" not in text.replace("nanom", "").lower().split("base64")[0]


def compared(found, num_test):
    scores = {
        "class": {"weighted_f1": 0.5} | {name: {"num_sources": 250} for name in CLASSES},
        "galaxy": {"num_sources": 250, "sigma_nmad": 1e-9},
        "star": {"LOGG": {"num_sources": 0, "sigma_nmad": NOT_ENOUGH}},
    }
    peer = {"test_real": scores, "test_synth": scores, "train_seconds": 3.0}
    sizes = dict.fromkeys(("test_real", "test_synth"), num_test)
    return {"num_train": 10, "num_test": sizes, "peers": {"LightGBM": peer, "OJALA": {}}}


def test_peers_stand_beside_ours_and_the_best_is_marked():
    found = evaluated()
    text = peers(found, compared(found, 900))
    rows = {row.split("</td>")[0]: row for row in text.split("<tr><td>")}
    assert rows["Class, weighted F1"].index("*") < rows["Class, weighted F1"].index("0.500")
    assert "1.00e-09 *" in rows["Galaxies, redshift: sigma_nmad"]
    assert "*" not in rows["Stars, log g: sigma_nmad"], "a peer without an answer is not beaten"
    assert NOT_ENOUGH not in rows["Stars, log g: sigma_nmad"], "what a peer cannot answer is empty"
    assert text.count("OJALA") == 3


def test_peers_of_other_test_sets_are_left_out():
    found = evaluated()
    assert "other test sets" in peers(found, compared(found, 901))
    assert "Not run" in peers(found, None)


def test_cells():
    assert cell(0.92) == "0.920"
    assert cell(1234) == "1,234"
    assert cell(247.3) == "247"
    assert cell(5396.4) == "5,396"
    assert "undefined" in cell(float("nan"))
    assert NOT_ENOUGH in cell(NOT_ENOUGH)
    assert "&lt;" in paragraph("i < 21")
    assert table(("a",), [("b",)], "c", paper=(0,)).count('class="paper"') == 2
