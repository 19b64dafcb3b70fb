"""`python -m forewarn` is the command `forewarn`."""

from forewarn.cli import main

main()
