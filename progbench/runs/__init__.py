"""Results as files: all that training and judging share.

In comes the result of a recipe and a seed. Out comes a file that appears whole or not at all, and from a folder of
them the list of runs behind a report. Read `results` first.
"""
