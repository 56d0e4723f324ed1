"""`python -m smtplab.lab`, which is what runs inside the namespace."""

import sys

from smtplab.lab.commands import main

sys.exit(main(sys.argv[1:]))
