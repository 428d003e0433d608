"""`python -m ftlgan.cli`, where the program `ftlgan` is not installed."""

from ftlgan.cli import main

main()
