"""Recordings of people talking: readers with one contract, and the prepared training windows."""
