"""Adapting the vocabulary of a checkpoint's tokenizer to a domain: what comes, what goes, what the ids become."""
