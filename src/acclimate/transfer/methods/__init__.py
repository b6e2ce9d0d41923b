"""Ways of transfer: which weights move, from where, in which order."""
