"""Records of the server's work, for people and programs."""
