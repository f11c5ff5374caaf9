"""A report without content, in place of the real one where a test does not look at it.

Drawing the report takes most of the time of a small run.
"""

from pathlib import Path


def write_blank_report(run: Path) -> Path:
    """Write an empty ``report.html``, which marks the run as finished, and return its path."""
    page = run / "report.html"
    page.write_text("")
    return page
