"""What the server saw, in forms that people and programs read."""
