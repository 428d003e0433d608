"""`python -m ftlgan.cli`, for use without the installed program `ftlgan`."""

from ftlgan.cli import main

main()
