"""How fast networks are, for scripts/benchmark/benchmark.py: its subjects ``forecast`` and ``train``."""
