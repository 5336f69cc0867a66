"""Trade with other platforms: names, what is said and how it is signed, and what follows from it."""
