"""Every figure of a report, defined once and drawn by Matplotlib or, on a page, by ``charts.js``."""
