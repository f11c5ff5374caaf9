"""README, pages and navigation: links lead somewhere, and no page is left out."""

import re
from pathlib import Path

import pytest
import yaml
from support import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
GENERATED = {"api/index.md", "contributing.md", "security.md", "changelog.md"}


def listed(nav: object) -> set[str]:
    """Return the pages that a navigation lists."""
    if isinstance(nav, str):
        return {nav}
    items = nav.values() if isinstance(nav, dict) else nav
    return set().union(*(listed(item) for item in items))  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if not re.match(r"\w+:", link)]
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_readme_is_short_and_its_figure_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    figures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(figures) == 1
    assert (ROOT / figures[0]).exists()


def test_every_page_is_in_the_navigation() -> None:
    pages = listed(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    there = {str(page.relative_to(DOCS)) for page in PAGES if DOCS in page.parents}
    assert pages | GENERATED == there | GENERATED


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/respuesta.md"])
def test_the_number_of_runs_is_that_of_the_answer(page: str) -> None:
    answer = (DOCS / "ANSWER.md").read_text(encoding="utf-8")
    runs = re.search(r"(\d+) runs", answer)
    assert runs
    found = re.findall(r"(\d+) (?:runs|ejecuciones)", (ROOT / page).read_text(encoding="utf-8"))
    assert found
    assert set(found) == {runs[1]}
