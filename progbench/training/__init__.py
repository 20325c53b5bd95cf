"""From a recipe and a seed to a result; what is expected of it cannot be seen from here.

Read `plain` first: the paper's Algorithm 1 on one page. `train` does the same, faster.
"""
