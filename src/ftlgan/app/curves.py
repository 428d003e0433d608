"""The plot of a similarity between the scores of the same person and of different people."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

import io

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

from ftlgan.look import LOOK
from ftlgan.tool.matching import Match

GENUINE, IMPOSTOR = "#00796b", "#c62828"


@style.context(LOOK)
def curves(match: Match) -> str:
    """Draw the distributions of genuine and impostor scores of faces of this size, and the similarity of this match.

    Returns:
        The plot as SVG.
    """
    known = match.known.curves
    figure = Figure(figsize=(5.2, 2.2), layout="constrained")
    axes = figure.subplots()
    edges = np.array(known.edges)
    for shares, ink, text in (
        (known.genuine, GENUINE, "same person"),
        (known.impostor, IMPOSTOR, "different people"),
    ):
        density = np.array(shares) / np.diff(edges)
        axes.stairs(density, known.edges, fill=True, color=ink, alpha=0.15)
        axes.stairs(density, known.edges, color=ink, label=text)
    axes.axvline(match.similarity, color="black", linewidth=1.5, label=f"these two faces: {match.similarity:.3f}")
    axes.set(xlabel=f"similarity of faces of {match.size} px", yticks=[], ylim=(0, None))
    axes.legend(loc="upper left")
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
