"""Both signature schemes of the venue, byte for byte."""
