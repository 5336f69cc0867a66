"""`python -m memporium`."""

from memporium.cli import main

main()
