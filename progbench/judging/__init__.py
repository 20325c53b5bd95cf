"""What was expected, and the verdict.

In come expected values and results. Out come verdicts on cells and claims. The trainer cannot be seen from here. Read
`expected` first, then `judge`.
"""
