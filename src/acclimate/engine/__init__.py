"""The loop, its state, checkpoints, precision."""
