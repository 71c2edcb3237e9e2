"""The documentation leads somewhere: links resolve, every page can be found from the README."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)")


def links(page: Path) -> set[Path]:
    found = LINK.findall(page.read_text("utf-8"))
    return {(page.parent / link).resolve() for link in found if "://" not in link}


def test_every_link_resolves() -> None:
    broken = [(page.name, str(link)) for page in PAGES for link in links(page) if not link.exists()]
    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set(), {ROOT / "README.md"}
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead |= {link for link in links(page) if link.suffix == ".md"} - reached
    assert {page for page in PAGES if "docs" in page.parts} - reached == set()
