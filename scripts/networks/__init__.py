"""How fast networks are, for scripts/benchmark.py: its subjects ``forecast`` and ``train``."""
