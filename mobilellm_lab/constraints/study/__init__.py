"""Stored measurements of chapter 1 as tables"""
