"""Training: data, state, checkpoint and loop."""
