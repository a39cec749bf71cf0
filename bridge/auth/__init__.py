"""Who somebody is: users, passwords, tokens, keys, addresses. What follows is decided in access.py."""
