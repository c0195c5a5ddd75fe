"""Second factors: codes of an app, passkeys, codes for the day when neither is at hand."""
