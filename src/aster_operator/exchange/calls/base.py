"""What all groups of calls share."""

from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.endpoint import Endpoint
from aster_operator.exchange.errors import MissingCredentials
from aster_operator.exchange.rest import RestSession

__all__ = ["Calls"]


class Calls:
    """Base of the groups of calls: they differ in endpoints and share the session."""

    _rest: RestSession

    def _source(self, endpoint: Endpoint) -> str:
        return f"{endpoint.method} {endpoint.name}"

    def _main_wallet(self, endpoint: Endpoint) -> AgentCredentials:
        """The credentials, which must be the main wallet's own. Raises MissingCredentials."""
        credentials = self._rest.credentials
        if not isinstance(credentials, AgentCredentials) or not credentials.is_main_wallet:
            raise MissingCredentials(self._source(endpoint), "the main wallet's own key")
        return credentials
