"""The subcommands of `etle`, one file each. They may import every package, but heavy ones only inside functions."""
