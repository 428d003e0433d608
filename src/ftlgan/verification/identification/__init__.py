"""Identification: how well do similarity scores find a person among many?

The terms are those of ISO/IEC 19795-1 and of NIST's 1:N evaluations. A gallery holds references: one or more photos of
each enrolled person. A search compares a probe with every person in the gallery. It is mated if the probe's person is
enrolled, and that person is the mate; otherwise it is non-mated. The rank of the mate is 1 plus the number of other
people who score at least as high, so ties make it worse.

In a closed set every search is mated. The CMC gives for each rank k the share of searches whose mate has rank k or
better. In an open set, at a threshold t, the false positive identification rate (FPIR) is the share of non-mated
searches in which anybody scores >= t. The false negative identification rate (FNIR) is the share of mated searches
whose mate scores < t or does not have rank 1. The FNIR at an FPIR is the FNIR at the lowest threshold whose FPIR is at
most that rate. It is a step function, unlike verification, which reads FNMR off straight lines.

    gallery.py     references -> people, and the score of a probe and a person
    search.py      gallery, probes -> the rank and the score of each mate, in a closed and an open set
    ranking.py     counts the people who score as high as the mates, block by block
    metrics.py     the definitions of the metrics, from ranks and scores, for draws of people
    report.py      metrics and curves with intervals
    plots.py       the curves
    command.py     `ftlgan identify`

Source: Grother, Ngan & Hanaoka, "Face recognition vendor test part 2: identification", NISTIR 8271 (2019).
"""
