"""OAuth 2.0 tokens and their cache: one token request per worker and hour."""
