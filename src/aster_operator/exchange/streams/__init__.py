"""Live data over WebSocket: sockets that heal, market and user streams, the local order book."""
