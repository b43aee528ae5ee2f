"""HTML that changes in place: what stays the same stays the same element in the browser."""

from nicegui.element import Element
from nicegui.elements.mixins.content_element import ContentElement

__all__ = ["LiveHtml", "Theme"]


class LiveHtml(ContentElement, component="assets/live_html.js"):
    """A block of our own markup, escaped already. The browser changes only what differs from what it shows,
    so that a renewed panel keeps the viewer's focus, scroll, selection and open details."""

    def __init__(self, content: str = "") -> None:
        super().__init__(content=content)


class Theme(Element, component="assets/theme.js"):
    """Makes the page dark or light as its viewer has chosen."""
