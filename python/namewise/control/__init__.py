"""The running server: zones, sockets, signals, reload, the control socket.

service.py      engine, zones, sockets, events and the lock for changes: what serves
daemon.py       the process around it: control socket, signals, systemd; server.py is `namewise.Server`
candidate.py    what would be served next, built and tried before it is published; check.py tries the settings
events.py       events of the engine: outcomes of requests, faults
verbs/          the verbs of the control socket, one file each; arguments.py reads their arguments
channel.py      the control socket, server side; client.py is the other side
sockets.py      open what [[listen]] says, take what systemd passes; holder.py finds who holds a port
descriptors.py  how many files may be open, and how many are needed
signals.py      signals before the server is ready
saved.py        the cache in the state directory, from one run to the next
notify.py       readiness and state for systemd
log.py          events on standard error
"""
