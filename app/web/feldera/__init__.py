"""Feldera's API: pipelines, whose SQL tables take changes."""
