"""Systems whose state is a vector of a few numbers, of shape (C,)."""
