"""The operator's desk: a call becomes a ticket, with what is known while it is typed."""
