"""Training: its data, its state, its checkpoint, its loop."""
