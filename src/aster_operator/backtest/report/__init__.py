"""What a sweep found, to look at: one HTML page that needs no network, and pictures."""
