#!/usr/bin/env python3
"""Writes metrics.jsonl beside this file: what scikit-learn computes.

    python3 test/golden/metrics.py        # needs scikit-learn >= 1.2
"""
import json
from pathlib import Path

import numpy as np
from sklearn import metrics as m

rng = np.random.default_rng(7)
averages = ["macro", "weighted", "micro"]


def classification(classes, n):
    actual = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < 0.6, actual, rng.integers(0, classes, n))
    options = {"zero_division": 0}
    case = {"kind": "classes", "classes": classes, "predicted": predicted.tolist(), "actual": actual.tolist()}
    p, r, f, s = m.precision_recall_fscore_support(actual, predicted, labels=range(classes), beta=2, **options)
    case["each"] = [dict(zip(["precision", "recall", "f", "support"], map(float, row))) for row in zip(p, r, f, s)]
    for average in averages + (["binary"] if classes == 2 else []):
        labels = None if average == "binary" else range(classes)
        case[average] = {
            "precision": m.precision_score(actual, predicted, average=average, labels=labels, **options),
            "recall": m.recall_score(actual, predicted, average=average, labels=labels, **options),
            "f": m.f1_score(actual, predicted, average=average, labels=labels, **options),
        }
    return case


def ranking(n, digits):
    labels = rng.integers(0, 2, n)
    scores = np.round(rng.normal(labels, 1.2), digits)  # few digits: equal scores
    fpr, tpr, _ = m.roc_curve(labels, scores, drop_intermediate=False)
    precision, recall, _ = m.precision_recall_curve(labels, scores)
    return {
        "kind": "ranking", "labels": labels.tolist(), "scores": scores.tolist(),
        "fpr": fpr.tolist(), "tpr": tpr.tolist(), "area": m.roc_auc_score(labels, scores),
        "precision": precision[:-1][::-1].tolist(), "recall": recall[:-1][::-1].tolist(),
        "averagePrecision": m.average_precision_score(labels, scores),
    }


def regression(n):
    actual = np.round(rng.normal(3, 2, n), 3)
    predicted = np.round(actual + rng.normal(0, 1, n), 3)
    return {
        "kind": "regression", "predicted": predicted.tolist(), "actual": actual.tolist(),
        "scores": {
            "meanAbsoluteError": m.mean_absolute_error(actual, predicted),
            "meanSquaredError": m.mean_squared_error(actual, predicted),
            "rootMeanSquaredError": m.mean_squared_error(actual, predicted, squared=False),
            "maxError": m.max_error(actual, predicted),
            "r2": m.r2_score(actual, predicted),
        },
    }


cases = [classification(2, 40), classification(5, 60), classification(4, 9), ranking(60, 3), ranking(50, 0), regression(40)]
(Path(__file__).parent / "metrics.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
