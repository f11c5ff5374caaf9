"""Systems whose state is a field on a grid, of shape (C, N) or (C, H, W)."""
