"""Single positions with protective exits; see desk.py."""
