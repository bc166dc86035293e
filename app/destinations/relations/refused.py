"""What is raised for changes that a table does not take."""


class ChangesRefused(Exception):
    """The text is the reason, without values; which change it is may be unknown."""
