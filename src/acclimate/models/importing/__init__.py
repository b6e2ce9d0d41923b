"""Checkpoints that other programs wrote, as ordinary model folders: one file for each layout."""
