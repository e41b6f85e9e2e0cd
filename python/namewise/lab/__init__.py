"""The private internet on one machine: real servers, real packets, real names, nothing leaves loopback.

topology.py  which server plays which role: its zones, the real addresses that lead to it
internet.py  the servers started, the routes that lead questions to them
up.py        `nw lab up`: the internet, a resolver over it, a zone from a file, until Ctrl-C
play.py      `nw lab play`: scenario files on virtual time
zones/       what the servers serve
"""
