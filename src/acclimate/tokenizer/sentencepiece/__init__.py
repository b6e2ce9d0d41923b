"""SentencePiece's `.model` files: read into fast tokenizers, and written from them."""
