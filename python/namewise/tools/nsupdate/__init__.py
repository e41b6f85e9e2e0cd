"""`nw nsupdate`: dynamic updates (RFC 2136) with the commands, output and exit codes of BIND's nsupdate.

```text
arguments, lines ─ grammar.py ─▶ Session ─ send ─▶ message.py ─ exchange.py ─▶ server
```

*Limitations*: no GSS-TSIG (`gsstsig`, -g, -o), no SIG(0) keys, no TLS.
"""
