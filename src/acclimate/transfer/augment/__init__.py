"""More training examples, made from those that are there."""
