"""The report of a finished run: one self-contained page, and figures as PNG files.

It is made from the files of the run only, without training code or simulators.
"""

from pathlib import Path

from sirve.io.files import write_text
from sirve.report.load import Run as Run
from sirve.report.load import RunError as RunError
from sirve.report.load import load_run as load_run
from sirve.report.page import report_page
from sirve.report.pictures import write_figures


def write_report(run: Path) -> Path:
    """Write ``report.html`` and ``figures/*.png`` into the folder ``run``; return the page.

    Raises RunError where the folder is no finished run.
    """
    loaded = load_run(Path(run))
    write_figures(loaded, loaded.path / "figures")
    page = loaded.path / "report.html"
    write_text(page, report_page(loaded))
    return page
