"""Baselines and memoryless networks, to compare the recurrent networks with."""
