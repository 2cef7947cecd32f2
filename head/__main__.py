"""`python -m head`, the same as `retrain`."""

from head.cli import main

main()
