"""Chapter 2 measured."""
