"""One file each: what is hidden from the model, and the loss."""
