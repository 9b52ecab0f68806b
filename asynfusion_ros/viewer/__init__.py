"""Consumers of motion that show it: the web page with its server, and preview films."""
