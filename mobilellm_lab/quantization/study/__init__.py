"""Measurements of chapter 3: recipes, runs, sweeps and their tables"""
