"""The command line beside the APIs. It talks HTTP only, so it runs on any machine."""
