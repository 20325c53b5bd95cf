"""The command `progbench`, a module for each of its commands; what they do is done in the wings below.

In come the words of a command line. Out come an exit code, and lines for a person or a log. A module's docstring is its
command's help, `add` gives the parser its options, and `run` does it. Read `run` first.
"""
