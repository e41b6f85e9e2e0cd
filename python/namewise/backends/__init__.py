"""Backends that store zones, one file each. `namewise.zones.source` describes their interface."""
