"""Files and formats: from bytes to records."""
