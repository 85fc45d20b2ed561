"""Chapter 2 drawn: its results as pictures, live and replayed."""
