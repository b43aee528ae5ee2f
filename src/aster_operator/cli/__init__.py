"""The command line: parse, compose, print. No business rules."""
