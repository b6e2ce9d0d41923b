"""The rows of a changed vocabulary: what new ones start from, and how embedding and output layer are rebuilt."""
