"""Exercises of the chapters."""
