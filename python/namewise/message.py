"""DNS messages, which the engine parses, checks and formats. A message is immutable.

>>> from namewise.message import make_query, make_response
>>> from namewise.rdata import RRset
>>> query = make_query("example.com", "A", id=4711)
>>> reply = make_response(query, flags="aa", answer=[RRset("example.com", "A", 300, ["192.0.2.1"])])
>>> reply, reply.replies_to(query)
(<Message id=4711 NOERROR qr aa rd example.com. IN A>, True)
>>> reply.section_text("answer").split()
['example.com.', '300', 'IN', 'A', '192.0.2.1']
"""

from .engine import Edns, EdnsOption, Message, Question, make_message, make_query, make_response
from .engine.errors import WireError

__all__ = [
    "Edns",
    "EdnsOption",
    "Message",
    "Question",
    "WireError",
    "make_message",
    "make_query",
    "make_response",
]
