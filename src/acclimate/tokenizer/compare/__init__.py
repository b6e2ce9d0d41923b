"""How well tokenizers fit texts: measured side by side."""
