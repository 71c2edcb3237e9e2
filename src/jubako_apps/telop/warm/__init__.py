"""What the tasks of one job import, as modules of their own: a platform that starts tasks warm imports them once."""
