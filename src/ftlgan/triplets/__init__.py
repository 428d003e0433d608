"""Triplets: `mining` mines them, `search` finds the negatives, and `table` stores the result."""
