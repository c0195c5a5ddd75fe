"""What a period has to be answered for: the findings of the platform and the supervisions, counted."""
