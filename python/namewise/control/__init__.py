"""The running server: sockets, signals, reload, the control socket.

    daemon.py       start, reload, drain: the life of the process
    candidate.py    what would be served next, built and asked before it is published
    server.py       `namewise.Server`: the same inside a Python program
    sockets.py      open what [[listen]] says, take what systemd hands over; holder.py says who is in the way
    descriptors.py  how many files may be open, and how many that takes
    channel.py      the control socket, server side; client.py the other side; requests.py what it asks the engine
    notify.py       readiness and state for systemd
    log.py          events on standard error

One thread, one event loop; the engine's threads never touch it.
"""
