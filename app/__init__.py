"""Forebay takes in pushed events, keeps them safe in a log, and loads them into SQL tables, exactly once."""
