"""The private internet: real servers on loopback that serve the names and zones of the real internet.

topology.py  the servers: the zones of each, and the real addresses that are routed to it
internet.py  starts the servers and makes the routes to them
up.py        `nw lab up`: the internet, a resolver over it, a zone from a file, until Ctrl-C
ports.py     ports that no other lab, test or benchmark takes
play.py      `nw lab play`: scenario files on virtual time
zones/       the zones of the servers
"""
