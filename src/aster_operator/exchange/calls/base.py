"""What all groups of calls share."""

from aster_operator.exchange.endpoint import Endpoint
from aster_operator.exchange.rest import RestSession

__all__ = ["Calls"]


class Calls:
    """Base of the groups of calls: they differ in endpoints and share the session."""

    _rest: RestSession

    def _source(self, endpoint: Endpoint) -> str:
        return f"{endpoint.method} {endpoint.name}"
