"""The regulation as data, and pure functions over it: working days, clocks, workflows, routing, visibility.

Nothing here reads a database, a network or the system's clock; files are read by
`rulebook.load_rulebooks` and `workdays.load_calendar` alone.
"""
