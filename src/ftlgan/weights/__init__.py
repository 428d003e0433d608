"""Weights that others have trained: in packages, downloaded, or in torchvision's folder, and checked by SHA-256."""
