"""A Keystone elsewhere: it has the users, and is asked whom each token speaks for."""
