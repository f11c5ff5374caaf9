"""Every figure, defined once: drawn by Matplotlib as PNG, and by ``charts.js`` on a page."""
