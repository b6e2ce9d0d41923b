"""Sequence-to-sequence models of ours: recurrent with attention, and the Transformer."""
