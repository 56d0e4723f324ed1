"""The lab: real mail and name servers on documentation addresses, in a network namespace of their own.

Inside the namespace (see `in_namespace`), `Lab` starts a world's NSD, Unbound, Postfix, Dovecot and
policy server on standard ports, waits until each answers, and takes everything away again:

    with Lab("meridian", without=frozenset({1, 2})) as lab:
        queue_id = lab.send("out1", "tickets@meridian.example", "anna@gmail.com", message)
        lab.wait_idle()
        print(lab.log("out1").read_text())
"""

from smtplab.lab.commands import main
from smtplab.lab.laboratory import Lab
from smtplab.lab.namespace import in_namespace, inside

__all__ = ["Lab", "in_namespace", "inside", "main"]
