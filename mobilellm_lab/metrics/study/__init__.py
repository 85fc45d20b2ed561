"""Chapter 7 measured: stored rows as tables."""
