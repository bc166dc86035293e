"""What Forebay does a second, against a baseline in the same run; and a demonstration."""
