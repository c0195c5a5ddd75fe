"""What is done about a ticket beside handling it: urging, supervising, calling to account."""
