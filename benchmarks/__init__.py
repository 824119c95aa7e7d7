"""What the review costs: a generated book, a bare pandas script beside it, and the measurement of both."""
