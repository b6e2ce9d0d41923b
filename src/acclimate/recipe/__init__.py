"""What a user writes: settings, units, registry, checking. Never imports torch."""
