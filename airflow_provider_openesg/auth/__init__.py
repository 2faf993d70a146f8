"""The OAuth 2.0 token: fetched once per worker and hour, kept where only this user with this secret can read it."""
