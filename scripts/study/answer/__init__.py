"""The study: its plan, its results, and the page that shows them."""
