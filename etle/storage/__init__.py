"""What is kept: violations and decisions in PostgreSQL, pictures and films as files named by their digest."""
