"""Values and vocabulary everything else is written in: no I/O, no clock but `clock.py`, no float money."""
