"""`python -m acclimate` is the command `acclimate`."""

from __future__ import annotations

from acclimate.cli.main import main

if __name__ == "__main__":
    main()
