"""The simulator compared with a model: cheaper solvers, and forecasts by the true equations."""
