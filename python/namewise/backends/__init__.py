"""Storages of zones, one file each; `namewise.zones.source` says what a backend is."""
