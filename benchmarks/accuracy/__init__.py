"""Accuracy: the tutorial's classifiers against this project's, on the same vectors.

`python -m benchmarks.accuracy` compares, `python -m benchmarks.accuracy.choose_defaults`
shows what the defaults of the vote were chosen from.
"""
