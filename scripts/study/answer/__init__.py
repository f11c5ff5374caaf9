"""The study: its plan, its runs, what they say, and how that is written down."""
