"""Sign-in with an identity provider of the deployment's choice (OpenID Connect Core 1.0)."""
