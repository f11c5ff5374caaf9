"""The site builds without a warning, and its pages take nothing from the network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, environment

ADDRESS = r"=\"(?:https?:)?//[^\"]*\""
FROM_NETWORK = re.compile(
    rf"<(?:script|img|iframe|source)[^>]*\ssrc{ADDRESS}"
    rf"|<link[^>]*rel=\"(?:stylesheet|preconnect)\"[^>]*href{ADDRESS}"
)


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="pip install '.[docs]'")
    site = tmp_path / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    paths = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        build, cwd=ROOT, env=environment(paths), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not FROM_NETWORK.findall(text), page
    assert "sirve.forecasting.rollout" in (site / "api" / "sirve.forecasting.html").read_text(
        "utf-8"
    )
