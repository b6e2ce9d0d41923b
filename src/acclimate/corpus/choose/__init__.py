"""Which documents a corpus is made of, and how much of each kind: selection, sampling, mixing, order, distances."""
