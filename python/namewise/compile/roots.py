"""The root servers of the public internet, as IANA publishes them in `named.root` (version 2025-06)."""

from __future__ import annotations

_ADDRESSES = """\
a 198.41.0.4 2001:503:ba3e::2:30
b 170.247.170.2 2801:1b8:10::b
c 192.33.4.12 2001:500:2::c
d 199.7.91.13 2001:500:2d::d
e 192.203.230.10 2001:500:a8::e
f 192.5.5.241 2001:500:2f::f
g 192.112.36.4 2001:500:12::d0d
h 198.97.190.53 2001:500:1::53
i 192.36.148.17 2001:7fe::53
j 192.58.128.30 2001:503:c27::2:30
k 193.0.14.129 2001:7fd::1
l 199.7.83.42 2001:500:9f::42
m 202.12.27.33 2001:dc3::35
"""

ROOT_SERVERS: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
    (f"{letter}.root-servers.net.", tuple(addresses))
    for letter, *addresses in (line.split() for line in _ADDRESSES.splitlines())
)
"""Name and addresses of each of the thirteen letters."""

ROOT_ANCHORS = (
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
)
"""The DS records of the keys of the public root, as IANA publishes them: the key of 2017, and that of 2024, which signs since October
2026."""
