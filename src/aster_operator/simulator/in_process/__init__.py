"""The embedded exchange as an `ExchangeClient` without a wire."""
