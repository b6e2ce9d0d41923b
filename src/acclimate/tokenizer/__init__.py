"""Training a tokenizer, or taking one."""
