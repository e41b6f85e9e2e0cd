"""The tools people question DNS with. They never import the server's side: `nw dig` has to start fast."""
