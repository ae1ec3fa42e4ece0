"""The stages as workers of a group: `detecting` turns frames into violations, `writing` violations into cases.

Any of them may die at any instant. What it had done is in the broker before it says that it did it, and what it says is done once more
by the next gives the same violations under the same ids.
"""
