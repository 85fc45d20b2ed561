"""Charts and printed figures of chapter 1"""
