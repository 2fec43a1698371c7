"""`docs/images` has a picture of each page of the menu, and of the sign-in, in both schemes at three widths."""

from __future__ import annotations

import re

from tests.browser.pictures import PAGES, SCHEMES, SIGN_IN, WIDTHS
from tests.browser.reader import PAGES as READ
from tests.faults.house import ROOT


def test_every_page_has_its_pictures() -> None:
    shown = {address.split("/")[1] for address in PAGES.values()}
    assert {address.split("/")[1] for address in READ} <= shown, "a page that tests read has no picture"
    wanted = {f"{name}-{width}-{scheme}.webp" for name in (*PAGES, SIGN_IN) for width in WIDTHS for scheme in SCHEMES}
    assert {file.name for file in (ROOT / "docs/images").glob("*.webp")} == wanted


def test_the_documents_show_pictures_that_are_there() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for found in re.findall(r"\]\(((?:docs/)?images/[^)]+)\)", page.read_text()):
            assert (page.parent / found).is_file(), (page.name, found)
