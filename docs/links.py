"""Whether the links of README and docs/ lead somewhere (make docs-links).

    python docs/links.py            every link
    python docs/links.py --inside   those to files and headings of the project alone

A link inside must lead to a file, and behind # to a heading of it. A link to the outside is asked
for; where no host at all can be reached there is no network, which is said, and is no failure.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

GONE = (404, 410)
"""Answers of a host that has no such page; with any other it is there, if not for programs."""

UNREACHED = 0
"""Instead of an answer, where no host answered."""

TIMEOUT = 15.0  # seconds


def main(arguments: list[str]) -> int:
    """Print what is wrong, or that nothing is; the exit code."""
    wrong = broken_inside(PAGES)
    said = [f"{len(PAGES)} pages: links inside the project lead to files and headings"]
    if "--inside" not in arguments:
        found = outside(PAGES)
        with ThreadPoolExecutor(16) as pool:
            answers = dict(zip(found, pool.map(answer, found), strict=True))
        more, word = judged(answers)
        wrong += [f"{', '.join(found[link])}: {line}" for link, line in more.items()]
        said.append(word)
    print("\n".join(wrong or said), file=sys.stderr if wrong else sys.stdout)
    return 1 if wrong else 0


def broken_inside(pages: Iterable[Path]) -> list[str]:
    """A sentence for each link that leads to no file, or to no heading of it."""
    wrong = []
    for page in pages:
        for link in links(page):
            if "://" in link or link.startswith(("mailto:", "generated/")):
                continue  # generated/ is written when the site is
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            if not target.exists():
                wrong.append(f"{page.name}: {link} leads to no file")
            elif heading and heading not in headings(target):
                wrong.append(f"{page.name}: {link} leads to no heading")
    return wrong


def outside(pages: Iterable[Path]) -> dict[str, list[str]]:
    """Links to the outside, each with the pages that have it."""
    found: dict[str, list[str]] = {}
    for page in pages:
        for link in links(page):
            if link.startswith(("http://", "https://")) and "//localhost" not in link:
                named = found.setdefault(link.partition("#")[0], [])
                if page.name not in named:
                    named.append(page.name)
    return found


def links(page: Path) -> Iterator[str]:
    """Where the links and images of a page lead."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        for inner in token.children or ():
            if target := inner.attrGet("href") or inner.attrGet("src"):
                yield str(target)


def headings(page: Path) -> set[str]:
    """The names by which the headings of a page are linked to, as GitHub and MyST make them."""
    tokens = MarkdownIt("commonmark").parse(page.read_text())
    texts = [
        "".join(inner.content for inner in body.children or ())
        for opened, body in pairwise(tokens)
        if opened.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def answer(link: str) -> int:
    """The status that a link is answered with, UNREACHED where nobody answers."""
    try:
        asked = Request(link, headers={"User-Agent": "Mozilla/5.0 (links of a documentation)"})
        with urlopen(asked, timeout=TIMEOUT) as opened:
            return int(opened.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return UNREACHED


def judged(answers: Mapping[str, int]) -> tuple[dict[str, str], str]:
    """A sentence for each link that is wrong, and what is to be said of all.

    answers: statuses by link
    """
    if answers and not any(answers.values()):
        return (
            {},
            f"no network: {len(answers)} links to the outside were SKIPPED, none was looked at",
        )
    wrong = {link: f"{link} is gone ({code})" for link, code in answers.items() if code in GONE}
    wrong |= {link: f"{link}: nobody answers" for link, code in answers.items() if not code}
    closed = sum(code >= 400 and code not in GONE for code in answers.values())
    there = len(answers) - len(wrong)
    return wrong, f"{there} links to the outside were answered, {closed} not for programs"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
