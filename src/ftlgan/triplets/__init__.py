"""Triplets: `mining` mines them, `search` finds the negatives, and `table` holds the result."""
