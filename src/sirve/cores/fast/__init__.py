"""Faster implementations of the recurrent cores, with the numbers of the plain loop."""
