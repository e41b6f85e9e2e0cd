"""Malformed packets (D1): namewise replies to each as NSD or Unbound does, or as documented, and never with more than an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack_packets import ALONE, PACKETS, mutated, servers, shown

if TYPE_CHECKING:
    from pathlib import Path


def test_malformed_packets(tmp_path: Path) -> None:
    alone = {}
    with servers(tmp_path) as clients:
        ours = clients.pop("namewise")
        for what, wire in PACKETS.items():
            reply = ours.reaction(wire)
            assert reply is None or wire[2] & 0x80 == 0, f"{what}: replies are not replied to"
            words = {name: shown(client.reaction(wire)) for name, client in clients.items()}
            if shown(reply) not in words.values():
                alone[what] = words | {"namewise": shown(reply)}
        assert set(alone) == set(ALONE), alone
        # Unbound would look up the names that arise.
        peer = clients["nsd"]
        for wire in mutated(2000, seed=1):
            reply = ours.reaction(wire)
            peer.reaction(wire)
            assert reply is None or (len(wire) >= 12 and wire[2] & 0x80 == 0)
            # An error is the header, the question, and an OPT record with the extended error.
            assert reply is None or shown(reply) == "NOERROR" or len(reply) <= len(wire) + 140, wire.hex()
