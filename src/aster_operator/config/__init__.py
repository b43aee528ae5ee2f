"""Settings, the problems a person can mend, and the masking of secrets. Knows no other room."""
