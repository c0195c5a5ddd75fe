"""Stories of tickets under the rulebook of each place."""
