"""Many tickets at once, from a table: each row checked like any intake, what was refused told and why."""
