"""From the bytes of a push to the changesets of a relation, and to the errors that its client is told."""
