"""Chapter 1 drawn: its results as pictures, live and replayed."""
