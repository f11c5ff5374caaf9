"""The limit of a forecast: the true equations, fitted to the last k states of the context."""

from sirve.limit.curves import Limit, compute, frame_counts
from sirve.limit.memory import effective_memory
from sirve.limit.problem import Problem

__all__ = ["Limit", "Problem", "compute", "effective_memory", "frame_counts"]
