"""Why a program is not compiled, or its computation not finished here. None of these leaves the room of templates."""


class Refused(Exception):
    """The text is no program: the interpreter would not take it either. Begins with line and column."""


class Outside(Exception):
    """The program may be good, but uses what is not compiled: it is left to the interpreter."""


class GaveUp(Exception):
    """The computation reached one of the limits of what is compiled: it is left to the interpreter, and its limits."""
