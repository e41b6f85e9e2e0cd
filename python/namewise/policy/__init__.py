"""Policies: what `[[list]]` and `[[group]]` name is read here and handed to the engine."""
