"""DNSSEC beyond single signatures: trust anchors that follow their zone (RFC 5011)."""
