"""Verification: how well do similarity scores tell pairs of one person from pairs of two?

The terms are those of ISO/IEC 19795-1. Two photos of one person give a genuine score, photos of two people an impostor
score. At a threshold t, the false match rate FMR is the share of impostor scores >= t, and the false non-match rate
FNMR is the share of genuine scores < t. The ROC curve joins the points (FMR, 1 - FNMR) of all thresholds by straight
lines. The AUC, the equal error rate and FNMR at a given FMR are all read off that curve, so ties always count half.

    metrics.py     the definitions of the metrics, for two samples of scores
    roc.py         the ROC curve, from counts of scores
    binning.py     scores -> counts
    pairs.py       embeddings -> scores of all pairs, block by block
    pair_list.py   reads a list of pairs; listed_scores.py scores them and computes the accuracy over folds
    histogram.py   scores -> counts and moments, in total and for each person, for any number of pairs
    bootstrap.py   resampled people -> replicates of every metric
    report.py      metrics with intervals, and differences of two methods
    thresholds.py  the score thresholds at each FMR and at the EER
    text_files.py  reads users' text and CSV files, line by line
    names.py       finds names that are blank, and names that differ only in spelling
    tables.py      reads users' embeddings; parquet.py and arrays.py (.npy) read one file into a Part of parts.py
    scores.py      reads users' scores from CSV
    command.py     `ftlgan verify`
"""
