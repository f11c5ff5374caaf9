"""The simulator itself as an opponent: cheaper solvers, and the equations from what was seen."""
