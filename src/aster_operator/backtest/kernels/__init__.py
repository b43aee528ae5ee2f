"""Compiled inner loops of the lab: plain functions over NumPy arrays, without Python objects."""
