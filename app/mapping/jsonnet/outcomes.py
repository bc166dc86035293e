"""Why a program is not compiled, or its run not finished here. None of these leaves the room of templates."""


class Refused(Exception):
    """The text is no program: the interpreter would not take it either. Begins with line and column."""


class Outside(Exception):
    """The program may be good, but uses what is not compiled: it is left to the interpreter."""


class GaveUp(Exception):
    """A run reached one of the limits of compiled programs: it is left to the interpreter, and to its limits."""
