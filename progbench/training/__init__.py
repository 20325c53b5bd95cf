"""From a recipe and a seed to a result.

In come a recipe and a seed. Out comes a result. What is expected of it cannot be seen from here. Read `plain` first:
it is the paper's Algorithm 1 on one page. `train` does the same, faster.
"""
