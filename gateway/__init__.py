"""Who may use which data: systems, applications, grants, tokens; and the data plane that enforces it."""
