"""Evaluation: what the restored faces are worth, where each result comes from, and pictures of both."""
