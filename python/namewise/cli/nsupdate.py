"""`nw nsupdate`: see `namewise.tools.nsupdate`."""

from __future__ import annotations

from namewise.tools.nsupdate.run import USAGE, main

HELP = f"""\
{USAGE}

Send dynamic updates (RFC 2136). The commands, which are read from the file or from standard input, the output and the exit codes are
those of BIND's nsupdate; the line `help` lists the commands.

  -y [hmac:]name:secret  sign with a TSIG key; nsupdate's default algorithm is hmac-md5
  -k keyfile             sign with the key in a file: a key statement, or K*.private
  -l                     update the server on this machine, with the key of a named that runs here
  -p port                port of the server (53)
  -v                     use TCP, which longer updates use anyway
  -t, -u, -r             seconds for an update (300), for a try over UDP (3), and repetitions (3)
  -d, -D                 print every message
  -i                     prompt, also if standard input is no terminal
  -4, -6                 use one family of addresses
  -V                     print the version

Examples:
  $ nw nsupdate -k dhcp.key changes.txt
  $ nw nsupdate -y hmac-sha256:dhcp:c2VjcmV0

Exit codes: 0 done, 1 wrong usage or a line that is no command, 2 an update was refused or no server replied.
"""


def run(args: list[str]) -> int:
    """Run nsupdate with *args*; return nsupdate's exit code."""
    return main(args)
