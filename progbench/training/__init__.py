"""From a seed to a score.

In come a recipe and a seed. Out comes a result. What is expected of it cannot be seen from here. Read `train` first:
it names the steps in their order.
"""
