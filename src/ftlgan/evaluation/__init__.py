"""Evaluation: the metrics of the restored faces, the provenance of each result, and plots."""
