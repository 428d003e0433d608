"""Calibration: how strongly does a similarity score support that two photos show one person?

The terms are those of forensic biometrics. The likelihood ratio (LR) of a score tells how much more often it comes from
a genuine comparison than from an impostor one. A calibration turns scores into log10 LRs, here by logistic regression
with balanced priors. Cllr, the cost of log likelihood ratios in bits, is 0 for perfect LRs and 1 for a system whose LR
is always 1. Cllr_min is the Cllr of the best LRs for the same scores in the same order, which the pool adjacent
violators (PAV) algorithm finds. No calibration reaches it on other people. Cllr_cal = Cllr - Cllr_min is the loss of
the calibration.

    counts.py    scores -> counts by score and by person, for any number of pairs
    metrics.py   the definitions, from counts: Cllr, PAV, empirical cross-entropy, bounds of the LR
    fit.py       counts -> a calibration
    model.py     a calibration: its file, and how it turns a score into an LR
    report.py    calibration, counts -> metrics with intervals
    plots.py     empirical cross-entropy, and log10 LR over the score
    command.py   `ftlgan calibrate`

Source: Brümmer & du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20
(2006); Morrison, "Tutorial on logistic-regression calibration and fusion", Australian Journal of Forensic Sciences 45
(2013); Meuwly, Ramos & Haraksim, "A guideline for the validation of likelihood ratio methods used for forensic evidence
evaluation", Forensic Science International 276 (2017).
"""
