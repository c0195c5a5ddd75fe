"""What departments used and gave, as the log shows it to them."""
