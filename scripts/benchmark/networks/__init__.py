"""Speed of networks: the commands ``forecast`` and ``train`` of scripts/benchmark.py."""
