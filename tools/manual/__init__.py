"""The man page and the shell completion files in etc/, made of what the commands take."""
