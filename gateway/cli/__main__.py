"""`python -m gateway.cli` is the command `yinling`."""

from gateway.cli import main

main()
