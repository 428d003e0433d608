"""Calibration: how strongly does a similarity score support that two photos show one person?

The words are those of forensic biometrics. The likelihood ratio LR of a score is how much more often it comes from a
genuine comparison than from an impostor one. A calibration turns scores into log10 LRs: by logistic regression with
balanced priors, here. Cllr, the cost of log likelihood ratios in bits, is 0 for perfect ones and 1 for a system that
always says LR = 1. Cllr_min is what is left of it after the pool adjacent violators (PAV) algorithm has replaced the
LRs, in their order, by the best ones for these very scores: a bound that no calibration reaches on other people.
Cllr_cal = Cllr - Cllr_min is what the calibration loses.

    counts.py    scores -> counts by score and by person, whatever the number of pairs
    metrics.py   the definitions, of counts: Cllr, PAV, empirical cross-entropy, bounds of the LR
    fit.py       counts -> a calibration
    model.py     a calibration: what it says of a score, and its file
    report.py    calibration, counts -> metrics with intervals
    plots.py     empirical cross-entropy, and log10 LR over the score
    command.py   `ftlgan calibrate`

Source: Brümmer & du Preez, "Application-independent evaluation of speaker detection", Computer Speech and Language 20
(2006); Morrison, "Tutorial on logistic-regression calibration and fusion", Australian Journal of Forensic Sciences 45
(2013); Meuwly, Ramos & Haraksim, "A guideline for the validation of likelihood ratio methods used for forensic evidence
evaluation", Forensic Science International 276 (2017).
"""
