"""A Transformer made of parts that a recipe chooses."""
