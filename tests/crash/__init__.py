"""Kill the whole process again and again, then look: every event with a 2xx is in its table or dead, exactly once.

A *story* is one seed: a data directory, a few lives of the server in it, each ended by kill -9, and a judgement.
"""
