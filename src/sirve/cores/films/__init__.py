"""Cores that encode a frame as a few numbers, and decode a frame from them."""
