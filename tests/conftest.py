"""What holds for all tests: Ctrl-C works in the programs that they start."""

import signal

# A background job (`nohup make test &`) is started with SIGINT ignored, and its children inherit that: a server
# that a test ends with Ctrl-C would run for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
