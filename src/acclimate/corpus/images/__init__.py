"""Pictures: where their files stand, and how they become numbers."""
