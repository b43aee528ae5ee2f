"""What the venue sends and what we send, as typed records: wire names outside, plain words inside."""
