"""Identification: how well do similarity scores find a person among many?

The words are those of ISO/IEC 19795-1 and of NIST's 1:N evaluations. A gallery holds references, one or several photos
of each person who is enrolled. A search compares a probe with every person of the gallery. It is mated if the probe's
person is enrolled, who then is its mate, and non-mated if not. The rank of the mate is 1 and the number of other people
who score at least as high: ties count against.

Closed set, where every search is mated: the CMC gives for each rank k the share of searches whose mate has rank k or
better. Open set: at a threshold t, the false positive identification rate FPIR is the share of non-mated searches in
which anybody scores >= t, and the false negative identification rate FNIR the share of mated searches whose mate does
not have rank 1 or scores < t. The FNIR at an FPIR is that at the lowest threshold at which FPIR is not above the rate:
a step, where verification reads FNMR off straight lines.

    gallery.py     references -> people, and the score of a probe and a person
    search.py      gallery, probes -> the rank and the score of each mate, block by block
    metrics.py     the definitions, of ranks and scores, also of draws of people
    report.py      metrics and curves with intervals
    plots.py       the curves
    command.py     `ftlgan identify`

Source: Grother, Ngan & Hanaoka, "Face recognition vendor test part 2: identification", NISTIR 8271 (2019).
"""
