"""What a deployment of N cameras needs: measured costs of the stages on this host, and the arithmetic from them to machines and disks."""
