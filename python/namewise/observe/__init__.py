"""Records of what the server did, for people and programs."""
