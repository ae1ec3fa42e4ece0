"""What is stored: violations, decisions and users in PostgreSQL; pictures and clips as files named by their digest."""
