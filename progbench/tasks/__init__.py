"""Data in, metric out.

In comes a task's name and a source: generated files, a folder, or the hub. Out come checked examples, and the metrics
that score predictions on them. Read `catalog` first.
"""
