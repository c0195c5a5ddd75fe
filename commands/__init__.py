"""What `shuxiang` can be told, a file for each group of commands; those of the log are with the log.

They import what they need when they run, so that each starts soon.
"""
