"""Pretrained weights in packages, downloads or torchvision's folder, checked by SHA-256."""
