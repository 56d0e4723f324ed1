"""`python -m smtplab`."""

from smtplab.cli import main

main()
