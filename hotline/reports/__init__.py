"""The reports of the hotline: rates with their formulas, rankings, overdue lists, topics, the bulletin."""
