"""Weights of our own: the plate reader trained on rendered plates (`etle models train reader`)."""
