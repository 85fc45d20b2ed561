"""Chapter 7 drawn: its results as pictures, live and replayed."""
