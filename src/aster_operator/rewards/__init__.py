"""What a reward programme pays for trading, what the trading costs, and how sure anybody can be of either."""
