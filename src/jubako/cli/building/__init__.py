"""``jubako build`` and ``--source``: a directory becomes a bundle."""
