"""Domain names: absolute, compared without regard to case, sorted in canonical order (RFC 4034 §6.1).

>>> from namewise.name import Name
>>> name = Name("www.Example.COM")
>>> str(name), name == Name("WWW.example.com."), len(name)
('www.Example.COM.', True, 3)
>>> name.is_at_or_below("example.com"), str(name.parent)
(True, 'Example.COM.')
>>> str(Name("mail", origin=Name("example.com")))
'mail.example.com.'
"""

from .engine import Name
from .engine.errors import BadName

ROOT = Name(".")

__all__ = ["ROOT", "BadName", "Name"]
