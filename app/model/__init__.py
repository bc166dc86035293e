"""The nouns: frozen, without behaviour beyond their own sums. They know no transport, no web and no database."""
