"""The command `progbench`, a module for each of its commands.

In come the words of a command line, out comes an exit code. What a command does is done in the wings below. Read
`common` first, then `run`.
"""
