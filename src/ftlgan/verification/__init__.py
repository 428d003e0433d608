"""Verification: how well do similarity scores tell pairs of one person from pairs of two?

The words are those of ISO/IEC 19795-1. A comparison of two photos of one person gives a genuine score, one of two
people an impostor score. At a threshold t, the false match rate FMR is the share of impostor scores >= t, and the false
non-match rate FNMR the share of genuine scores < t. The ROC curve joins (FMR, 1 - FNMR) over all thresholds by straight
lines: area under it, equal error rate and FNMR at a given FMR are read off that one curve, so that ties count half
everywhere.

    metrics.py     the definitions, of two samples of scores
    roc.py         the curve, of counts of scores
    binning.py     scores -> counts
    pairs.py       embeddings -> scores of all pairs, block by block
    pair_list.py   a file that lists pairs; listed_scores.py scores them, and gives accuracy over folds
    histogram.py   scores -> counts and moments, also person by person, whatever the number of pairs
    bootstrap.py   resampled people -> replicates of every metric
    report.py      metrics with intervals, and differences of two methods
    thresholds.py  the score thresholds at each FMR and at the EER
    text_files.py  text and CSV that anyone made, line by line
    names.py       names that are blank, or one but for their spelling
    tables.py      embeddings that anyone made; parquet.py and arrays.py (.npy) read files, parts.py is what they give
    scores.py      scores that anyone computed, in CSV
    command.py     `ftlgan verify`
"""
