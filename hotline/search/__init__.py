"""Finding tickets: lists, words of the summary, and earlier tickets that may be about the same matter."""
