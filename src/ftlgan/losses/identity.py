"""Identity loss: the restored face should be recognized as its own high-resolution twin."""

from torch import Tensor


def identity_loss(restored: Tensor, twin: Tensor) -> Tensor:
    """Return the mean cosine distance, 1 - cos, in [0, 2].

    Args:
        restored: unit embeddings of the restored faces, (N, D).
        twin: unit embeddings of their high-resolution twins, (N, D).
    """
    return (1 - (restored * twin).sum(dim=1)).mean()
