"""The subcommands of `etle`, a file each. Only here may everything be imported, and only inside the functions."""
